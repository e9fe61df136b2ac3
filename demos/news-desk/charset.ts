import { TextDecoder } from 'node:util';
import { InputFormError } from './news-event';

/** The charset that the beginning of a text shows by a byte order mark, or by the zero bytes of UTF-16. */
export function charsetOfStart(start: Uint8Array): string | undefined {
  const [first, second, third] = start;
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8';
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (first === undefined || second === undefined || (first === 0) === (second === 0)) return undefined;
  return first === 0 ? 'utf-16be' : 'utf-16le';
}

/** The charset that a `Content-Type` header names. */
export function charsetOfHeader(contentType: string | null): string | undefined {
  return /;\s*charset\s*=\s*["']?([\w.:-]+)/i.exec(contentType ?? '')?.[1];
}

/** The charset that an XML declaration names. */
export function charsetOfDeclaration(start: Uint8Array): string | undefined {
  const head = Buffer.from(start.subarray(0, 1_024)).toString('latin1');
  const name = /^\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([\w.:-]+)["']/.exec(head)?.[1];
  // Some programs declare the charset of the string that they write the bytes from. In UTF-16 this would not be read.
  return name !== undefined && /^utf-?16/i.test(name) ? undefined : name;
}

/** A decoded text. */
export interface DecodedText {
  readonly text: string;
  readonly charset: string;
  /** Whether bytes that are none of its charset were replaced by U+FFFD. */
  readonly isLossy: boolean;
}

/**
 * Decodes a whole text, without its byte order mark.
 * @throws InputFormError if there is no such charset
 */
export function decodeText(bytes: Uint8Array, charset = 'utf-8'): DecodedText {
  const textOf = (decoder: TextDecoder): string =>
    // As a stream, because Node 20 reads Windows-1252 as Latin-1 if it is told to decode a text at once.
    decoder.decode(bytes, { stream: true }) + decoder.decode();
  const strict = decoderFor(charset, true);
  try {
    return { text: textOf(strict), charset, isLossy: false };
  } catch {
    return { text: textOf(decoderFor(charset, false)), charset, isLossy: true };
  }
}

/** The same text in UTF-8. Bytes that are said to be UTF-8 already are passed on as they are. */
export async function* toUtf8(
  chunks: AsyncIterable<Uint8Array>,
  charset = 'utf-8',
): AsyncGenerator<Uint8Array> {
  if (charset === 'utf-8') {
    yield* chunks;
    return;
  }
  const decoder = decoderFor(charset, false);
  for await (const chunk of chunks) yield Buffer.from(decoder.decode(chunk, { stream: true }));
  yield Buffer.from(decoder.decode());
}

function decoderFor(charset: string, fatal: boolean): TextDecoder {
  try {
    return new TextDecoder(charset, { fatal });
  } catch {
    throw new InputFormError(`is in the charset ${charset}, which is not known here`);
  }
}
