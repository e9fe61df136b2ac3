import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parse, type Options } from 'csv-parse';
import { charsetOfStart } from './charset';
import { readStart } from './leading-bytes';
import { eventOf, InputFormError, namesHeadline, type InputItem } from './news-event';

/** A longer record is no story, and costs too much to be sent. */
const longestRecord = 1_024 * 1_024;

/** The reading ends in a longer record: a quote that is never closed would fill the memory. */
const longestRead = 64 * longestRecord;

interface ParsedRecord {
  readonly fields: readonly Uint8Array[];
  /** Where it begins. */
  readonly place: string;
  /** Its own bytes. */
  readonly size: number;
  /** Bytes read up to its end. */
  readonly bytes: number;
}

/**
 * Reads one event from each record of CSV in UTF-8. Quoted fields may go over many lines, and each line may end in its
 * own way.
 * @param usual what divides fields, unless the first lines say otherwise
 * @throws InputFormError if the header names no headline
 */
export async function* readCsv(chunks: AsyncIterable<Uint8Array>, usual = ','): AsyncGenerator<InputItem> {
  const { start, all } = await readStart(chunks);
  const { delimiter, line } = headerOf(start.toString(), usual);
  const state = { end: 0, lastLine: 0, isUnclosed: false, isCut: false };
  // The parser counts a line end of two characters twice if it stands between quotes.
  let countedTwice = 0;
  const options: Options<ParsedRecord, readonly Uint8Array[]> = {
    delimiter,
    // Bytes, because the parser would hide what is not UTF-8.
    encoding: null,
    from_line: line,
    on_record: (fields, { bytes, lines }) => {
      const size = bytes - state.end;
      state.end = bytes;
      const lineEnds = fields.flatMap(
        (field) =>
          Buffer.from(field)
            .toString('latin1')
            .match(/\r\n?|\n/g) ?? [],
      );
      countedTwice += lineEnds.filter((lineEnd) => lineEnd.length === 2).length;
      state.lastLine = lines - countedTwice;
      return { fields, place: `line ${state.lastLine - lineEnds.length}`, size, bytes };
    },
    on_skip: () => {
      state.isUnclosed = true;
      return undefined;
    },
    // Without this the parser would take the first line's end for that of all lines.
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
  };
  // The types of the parser know no records of bytes.
  const parser = parse(options as unknown as Options);
  async function* bounded(): AsyncGenerator<Uint8Array> {
    let byteOrderMark = charsetOfStart(start) === 'utf-8' ? 3 : 0;
    let read = 0;
    for await (const chunk of all) {
      state.isCut = read - state.end > longestRead;
      if (state.isCut) return;
      read += chunk.length;
      yield chunk.subarray(byteOrderMark);
      byteOrderMark = 0;
    }
  }
  // The parser hands an error of the source on to the loop below.
  const flow = pipeline(Readable.from(bounded(), { objectMode: false }), parser).catch(() => undefined);
  let names: readonly string[] | undefined;
  for await (const record of parser as AsyncIterable<ParsedRecord>) {
    if (names === undefined) names = namesOf(record.fields);
    else yield itemOf(record, names);
  }
  if (state.isUnclosed) {
    yield {
      kind: 'broken',
      place: `line ${state.lastLine + 1}`,
      problem: 'opens a quote that is never closed',
    };
  }
  if (state.isCut) {
    yield {
      kind: 'broken',
      place: 'the rest',
      problem: `is not read after ${longestRead} bytes of one record`,
    };
  }
  await flow;
}

/** What divides the fields, and the line of the header: spreadsheets write `sep=;` before it. */
function headerOf(start: string, usual: string): { readonly delimiter: string; readonly line: number } {
  const [first = ''] = start.replace(/^\ufeff/, '').split(/[\r\n]/, 1);
  const stated = /^"?sep=(.)"?$/i.exec(first.trimEnd() || first)?.[1];
  if (stated !== undefined) return { delimiter: stated, line: 2 };
  const delimiter = [usual, ',', ';', '\t', '|'].find((candidate) =>
    namesHeadline(first.split(candidate).map((name) => name.trim().replace(/^"(.*)"$/, '$1'))),
  );
  return { delimiter: delimiter ?? usual, line: 1 };
}

function namesOf(fields: readonly Uint8Array[]): readonly string[] {
  const names = fields.map((field) => Buffer.from(field).toString().trim().toLowerCase());
  if (!namesHeadline(names)) {
    const shown = names.join(', ').slice(0, 60);
    throw new InputFormError(`is CSV whose header names no headline (or title), but: ${shown}`);
  }
  return names;
}

function itemOf({ fields, place, size, bytes }: ParsedRecord, names: readonly string[]): InputItem {
  const broken = (problem: string): InputItem => ({ kind: 'broken', place, problem });
  if (size > longestRecord) return broken(`holds a record of more than ${longestRecord} bytes`);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const record: Partial<Record<string, string[]>> = {};
  for (const [index, field] of fields.entries()) {
    const name = names[index];
    if (name === undefined) {
      if (field.length > 0) return broken('has more fields than the header');
      continue;
    }
    try {
      (record[name] ??= []).push(decoder.decode(field));
    } catch {
      return broken('is not UTF-8');
    }
  }
  const event = eventOf(record, place);
  return 'problem' in event ? broken(event.problem) : { kind: 'event', event, bytes };
}
