import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { DemoError, reasonOf } from '../shared/demo-error';
import { withoutSecrets } from '../shared/shown-url';
import type { InputChoice } from './arguments';
import {
  charsetOfDeclaration,
  charsetOfHeader,
  charsetOfStart,
  decodeText,
  toUtf8,
  type DecodedText,
} from './charset';
import { readJsonArray, readJsonLines } from './json-lines';
import { readStart } from './leading-bytes';
import { InputFormError, type InputItem } from './news-event';

/** Events that are being read. */
export interface Input {
  /** What to call it in a sentence. */
  readonly name: string;
  /** Its size in bytes, where it is known beforehand. */
  readonly size?: number;
  /** The number of its events, where it is known beforehand. */
  readonly count?: number;
  readonly items: AsyncIterable<InputItem> | Iterable<InputItem>;
}

/** What is known of a stream before it is read. */
export interface StreamFacts {
  readonly name: string;
  readonly size?: number | undefined;
  /** What divides fields, if it is said to be a table. */
  readonly delimiter?: string | undefined;
  /** The charset that somebody else stated. */
  readonly charset?: string | undefined;
  readonly isFeed?: boolean;
}

/** Feeds and JSON arrays are read as a whole. */
const largestWhole = 64 * 1_024 * 1_024;
const feedTimeout = 20_000;

/** Pieces of input that may be broken before anything was read; a file of another kind would be told piece by piece. */
const mostBroken = 20;

/**
 * Opens what the user chose.
 * @param sample the file of the bundled sample
 * @param signal ends the reading
 * @throws DemoError in one sentence if it cannot be opened
 */
export async function openInput(choice: InputChoice, sample: string, signal: AbortSignal): Promise<Input> {
  switch (choice.kind) {
    case 'sample':
      return openFile(sample, { name: 'The bundled sample' }, signal);
    case 'file': {
      const { path } = choice;
      const delimiter = /\.csv$/i.test(path) ? ',' : /\.tsv$/i.test(path) ? '\t' : undefined;
      return openFile(path, { name: path, delimiter }, signal);
    }
    case 'stdin':
      return openStream(untilAborted(process.stdin, signal), { name: 'Standard input' });
    case 'feed':
      return /^https?:\/\//i.test(choice.location)
        ? openUrl(choice.location, signal)
        : openFile(choice.location, { name: choice.location, isFeed: true }, signal);
  }
}

async function openFile(path: string, facts: StreamFacts, signal: AbortSignal): Promise<Input> {
  const { name } = facts;
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new DemoError(`${name} is a directory, not a file of events`);
    const size = status.isFile() ? status.size : undefined;
    return await openStream(untilAborted(createReadStream(path), signal), { ...facts, size });
  } catch (error) {
    throw error instanceof DemoError ? error : new DemoError(`${name} cannot be read: ${reasonOf(error)}`);
  }
}

async function openUrl(url: string, signal: AbortSignal): Promise<Input> {
  const name = `The feed at ${withoutSecrets(url)}`;
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/rss+xml, application/atom+xml, application/xml, text/xml, */*;q=0.5' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(feedTimeout)]),
    });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const charset = charsetOfHeader(response.headers.get('content-type'));
    const body = (response.body ?? []) as AsyncIterable<Uint8Array>;
    return await openStream(body, { name, isFeed: true, charset });
  } catch (error) {
    throw error instanceof DemoError ? error : new DemoError(`${name} cannot be read: ${reasonOf(error)}`);
  }
}

/**
 * Opens a stream as what its first bytes show: a feed, a JSON array, or lines of JSON; or as the table it is said to be.
 * Its charset is that of its byte order mark, else the one that was stated, else the one that it declares, else UTF-8.
 * @throws DemoError in one sentence if it is something else
 */
export async function openStream(chunks: AsyncIterable<Uint8Array>, facts: StreamFacts): Promise<Input> {
  const { name, size, delimiter } = facts;
  const { start, all } = await readStart(chunks);
  const charset = charsetOfStart(start) ?? facts.charset;
  try {
    refuseBinary(start, charset);
    const [mark] = decodeText(start, charset).text.trimStart();
    if (facts.isFeed === true || mark === '<') {
      const { readFeed } = await import('./feed');
      const decoded = decodeText(await wholeOf(all), charset ?? charsetOfDeclaration(start));
      return wholeInput(name, readFeed(decoded.text), decoded);
    }
    if (mark === '[') {
      const decoded = decodeText(await wholeOf(all), charset);
      return wholeInput(name, readJsonArray(decoded.text), decoded);
    }
    const lines = toUtf8(all, charset);
    const items =
      delimiter === undefined ? readJsonLines(lines) : (await import('./csv')).readCsv(lines, delimiter);
    // In another charset the bytes of the events would not add up to the size.
    const isCounted = size !== undefined && (charset ?? 'utf-8') === 'utf-8';
    const hint =
      delimiter === undefined
        ? '; it was read as lines of JSON, as the name of a table ends in .csv or .tsv'
        : '';
    return { name, items: refuseOtherForms(items, name, hint), ...(isCounted && { size }) };
  } catch (error) {
    throw error instanceof InputFormError ? new DemoError(`${name} ${error.message}`) : error;
  }
}

function wholeInput(name: string, items: InputItem[], { charset, isLossy }: DecodedText): Input {
  const problem = `holds bytes that are not ${charset}`;
  const whole = items.map((item, index): InputItem =>
    isLossy && item.kind === 'event' && `${item.event.headline}${item.event.body}`.includes('\ufffd')
      ? { kind: 'broken', place: `entry ${index + 1}`, problem }
      : item,
  );
  const count = whole.filter(({ kind }) => kind === 'event').length;
  return { name, items: refuseOtherForms(whole, name), count };
}

function refuseBinary(start: Buffer, charset: string | undefined): void {
  const isPacked = /^(?:\x1f\x8b|PK\x03\x04)/.test(start.toString('latin1', 0, 4));
  if (isPacked) throw new InputFormError('is an archive or a workbook; unpack it, or save it as CSV');
  if (decodeText(start, charset).text.includes('\0')) throw new InputFormError('is not text');
}

/**
 * Passes items on, and fails at the end or after many if all of them were broken.
 * @param hint what else the user should know then
 */
async function* refuseOtherForms(
  items: AsyncIterable<InputItem> | Iterable<InputItem>,
  name: string,
  hint = '',
): AsyncGenerator<InputItem> {
  const broken: Extract<InputItem, { kind: 'broken' }>[] = [];
  let hasEvent = false;
  const refuse = (): never => {
    const { place, problem } = broken[0]!;
    const others = broken.length === 1 ? '' : `, and ${broken.length - 1} more are broken`;
    throw new DemoError(`${name} holds no events: ${place} ${problem}${others}${hint}`);
  };
  try {
    for await (const item of items) {
      if (!hasEvent && item.kind === 'broken') {
        broken.push(item);
        if (broken.length === mostBroken) refuse();
        continue;
      }
      if (!hasEvent) yield* broken;
      hasEvent = true;
      yield item;
    }
  } catch (error) {
    throw error instanceof InputFormError ? new DemoError(`${name} ${error.message}`) : error;
  }
  if (!hasEvent && broken.length > 0) refuse();
}

async function wholeOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of chunks) {
    length += part.length;
    if (length > largestWhole) throw new InputFormError(`is larger than ${largestWhole} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Chunks of a stream; an abort ends them as the end of the stream does. */
async function* untilAborted(stream: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  addAbortSignal(signal, stream);
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
