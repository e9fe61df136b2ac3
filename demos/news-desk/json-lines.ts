import { eventOf, InputFormError, type InputItem } from './news-event';

/** A longer line is taken for broken, so that a file without line ends cannot fill the memory. */
const longestLine = 8 * 1_024 * 1_024;

const newline = 0x0a;

interface Line {
  readonly number: number;
  /** Undefined for a line that is too long. */
  readonly content: Buffer | undefined;
  readonly bytes: number;
}

/**
 * Reads one event from each line of JSON. Lines are divided at newline bytes alone, as a headline may hold any other
 * separator that Unicode knows; a byte order mark and carriage returns are left out, empty lines skipped.
 */
export async function* readJsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<InputItem> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const { number, content, bytes } of linesOf(chunks)) {
    const place = `line ${number}`;
    if (content === undefined) {
      yield { kind: 'broken', place, problem: `is longer than ${longestLine} bytes` };
      continue;
    }
    let record: unknown;
    try {
      // The decoder drops a byte order mark by itself.
      const text = decoder.decode(content).trim();
      if (text === '') continue;
      record = parseJson(text);
    } catch (error) {
      yield {
        kind: 'broken',
        place,
        problem: (error as Error).name === 'SyntaxError' ? 'is not JSON' : 'is not UTF-8',
      };
      continue;
    }
    const event = eventOf(record, place);
    yield 'problem' in event ? { kind: 'broken', place, ...event } : { kind: 'event', event, bytes };
  }
}

/**
 * Reads one event from each element of a JSON array.
 * @throws InputFormError if the text is none
 */
export function readJsonArray(text: string): InputItem[] {
  let records: unknown;
  try {
    records = parseJson(text);
  } catch {
    throw new InputFormError('begins as a JSON array does, but is none');
  }
  return (records as unknown[]).map((record, index) => {
    const place = `element ${index + 1}`;
    const event = eventOf(record, place);
    return 'problem' in event ? { kind: 'broken', place, ...event } : { kind: 'event', event };
  });
}

/** Parses JSON. Numbers of 64 bits that are ids stay texts, because a JavaScript number would round them. */
function parseJson(text: string): unknown {
  // Between quotes every quote has a backslash before it, so this finds names of fields alone.
  return JSON.parse(text.replace(/("(?:id|guid)"\s*:\s*)(-?\d{16,})(?=\s*[,}])/gi, '$1"$2"'));
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let number = 0;
  let bytes = 0;
  const take = (piece: Uint8Array): void => {
    length += piece.length;
    bytes += piece.length;
    if (length <= longestLine) parts.push(piece);
    else parts = [];
  };
  const line = (): Line => {
    number += 1;
    const content = length <= longestLine ? Buffer.concat(parts) : undefined;
    parts = [];
    length = 0;
    return { number, content, bytes };
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      take(chunk.subarray(start, end));
      bytes += 1;
      yield line();
      start = end + 1;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (length > 0) yield line();
}
