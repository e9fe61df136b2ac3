import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { DemoError, reasonOf } from '../shared/demo-error';
import { withoutSecrets } from '../shared/shown-url';
import type { InputChoice } from './arguments';
import { readCsv } from './csv';
import { readFeed } from './feed';
import { readJsonLines } from './json-lines';
import type { InputItem } from './news-event';

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

const largestFeed = 32 * 1_024 * 1_024;
const feedTimeout = 20_000;

/**
 * Opens what the user chose.
 * @param sample the file of the bundled sample
 * @param signal ends the reading
 * @throws DemoError in one sentence if it cannot be opened
 */
export async function openInput(choice: InputChoice, sample: string, signal: AbortSignal): Promise<Input> {
  switch (choice.kind) {
    case 'sample':
      return openFile(sample, 'The bundled sample', signal);
    case 'file':
      return openFile(choice.path, choice.path, signal);
    case 'stdin':
      return { name: 'Standard input', items: readJsonLines(untilAborted(process.stdin, signal)) };
    case 'feed':
      return openFeed(choice.location, signal);
  }
}

async function openFile(path: string, name: string, signal: AbortSignal): Promise<Input> {
  let size: number | undefined;
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new DemoError(`${name} is a directory, not a file of events`);
    size = status.isFile() ? status.size : undefined;
  } catch (error) {
    throw error instanceof DemoError ? error : new DemoError(`${name} cannot be read: ${reasonOf(error)}`);
  }
  const chunks = untilAborted(createReadStream(path), signal);
  const isTable = /\.(csv|tsv)$/i.exec(path);
  const items =
    isTable === null ? readJsonLines(chunks) : readCsv(chunks, /tsv/i.test(isTable[0]) ? '\t' : ',');
  return { name, items, ...(size !== undefined && { size }) };
}

async function openFeed(location: string, signal: AbortSignal): Promise<Input> {
  const isUrl = /^https?:\/\//i.test(location);
  const name = isUrl ? `The feed at ${withoutSecrets(location)}` : location;
  let text: string;
  try {
    text = isUrl ? await download(location, signal) : await readFile(location, { encoding: 'utf8', signal });
  } catch (error) {
    throw new DemoError(`${name} cannot be read: ${reasonOf(error)}`);
  }
  try {
    const items = readFeed(text);
    return { name, items, count: items.filter(({ kind }) => kind === 'event').length };
  } catch (error) {
    throw new DemoError(`${name} ${(error as Error).message}`);
  }
}

async function download(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, {
    headers: { accept: 'application/rss+xml, application/atom+xml, application/xml, text/xml, */*;q=0.5' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(feedTimeout)]),
  });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > largestFeed) throw new Error(`it is larger than ${largestFeed} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
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
