/** A stream whose beginning was looked at. */
export interface LeadingBytes {
  /** Its first line, or more. */
  readonly start: Buffer;
  /** The whole stream, the beginning included. */
  readonly all: AsyncIterable<Uint8Array>;
}

/** A longer first line is looked at only so far. */
const longestStart = 64 * 1_024;

/** Reads the first line of a stream, and nothing that it need not wait for. */
export async function readStart(chunks: AsyncIterable<Uint8Array>): Promise<LeadingBytes> {
  const iterator = chunks[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  // Lines without text tell nothing, and UTF-16 has a zero byte beside each newline.
  while (!/[^\s\0][^\n]*\n/.test(start.toString('latin1')) && start.length < longestStart) {
    const next = await iterator.next();
    if (next.done === true) break;
    start = Buffer.concat([start, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (start.length > 0) yield start;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { start, all: all() };
}
