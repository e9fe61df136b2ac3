import { join } from 'node:path';
import { buildSync } from 'esbuild';

/** The script and the style of the page. */
export interface PageParts {
  readonly script: string;
  readonly style: string;
}

let bundled: PageParts | undefined;

/**
 * Bundles the page from its source, in a checkout of this repository. The build of the package replaces this module by
 * the result.
 */
export function parts(): PageParts {
  return (bundled ??= bundle());
}

function bundle(): PageParts {
  const { outputFiles } = buildSync({
    entryPoints: [join(process.cwd(), 'lib/live/page/main.ts')],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    write: false,
    outdir: 'page',
  });
  const textOf = (extension: string) =>
    outputFiles
      .find(({ path }) => path.endsWith(extension))!
      .text.trim()
      .replaceAll('</', '<\\/');
  return { script: textOf('.js'), style: textOf('.css') };
}
