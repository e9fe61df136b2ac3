import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parse, type CsvError } from 'csv-parse';
import { eventOf, type InputItem } from './news-event';

/** A longer record is taken for broken: a quote that is never closed would otherwise swallow the whole file. */
const longestRecord = 1_024 * 1_024;

interface ParsedRecord {
  readonly record: unknown;
  /** Where it begins. */
  readonly place: string;
  readonly bytes: number;
}

/**
 * Reads one event from each record of CSV with a header line; quoted fields may go over many lines.
 * @param delimiter what divides fields
 */
export async function* readCsv(
  chunks: AsyncIterable<Uint8Array>,
  delimiter = ',',
): AsyncGenerator<InputItem> {
  // The parser is ahead of the loop below, so what it skips waits until the records before it are through.
  const skipped: { readonly item: InputItem; readonly recordsBefore: number }[] = [];
  let records = 0;
  let lastLine = 1;
  const startOf = (end: number): string => {
    const place = `line ${lastLine + 1}`;
    lastLine = end;
    return place;
  };
  const parser = parse({
    bom: true,
    columns: (header: string[]) => header.map((name) => name.trim().toLowerCase()),
    delimiter,
    max_record_size: longestRecord,
    on_record: (record: unknown, { lines, bytes }): ParsedRecord => {
      records += 1;
      return { record, place: startOf(lines), bytes };
    },
    on_skip: (error) => {
      const place = startOf(typeof error?.['lines'] === 'number' ? error['lines'] : lastLine + 1);
      skipped.push({ item: { kind: 'broken', place, problem: problemOf(error) }, recordsBefore: records });
      return undefined;
    },
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
  });
  // The parser hands an error of the source on to the loop below.
  const flow = pipeline(Readable.from(chunks, { objectMode: false }), parser).catch(() => undefined);
  let passed = 0;
  for await (const { record, place, bytes } of parser as AsyncIterable<ParsedRecord>) {
    while (skipped[0] !== undefined && skipped[0].recordsBefore <= passed) yield skipped.shift()!.item;
    passed += 1;
    const event = eventOf(record, place);
    yield 'problem' in event ? { kind: 'broken', place, ...event } : { kind: 'event', event, bytes };
  }
  for (const { item } of skipped) yield item;
  await flow;
}

function problemOf(error: CsvError | undefined): string {
  switch (error?.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'opens a quote that is never closed';
    case 'CSV_MAX_RECORD_SIZE':
      return `holds a record of more than ${longestRecord} characters`;
    default:
      return 'is not CSV';
  }
}
