import { createHash } from 'node:crypto';
import { parts } from './page/parts';

let made: { readonly html: string; readonly policy: string } | undefined;

/**
 * The live page in one piece, and its content security policy: run this script, show this style, ask its own server.
 */
export function page() {
  const { script, style } = parts();
  const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  return (made ??= {
    html:
      '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>rxllm</title>' +
      '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">' +
      `<link rel="icon" href="data:,"><style>${style}</style></head><body><div id="view"></div>` +
      `<script>${script}</script></body></html>`,
    policy:
      `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; connect-src 'self'; img-src data:; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  });
}
