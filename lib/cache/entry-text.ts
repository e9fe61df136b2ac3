import type { TokenUsage } from '../core/call';
import type { CacheEntry } from './cache-entry';
import { decodeText, encodeText } from './plain-json';
import { sha256 } from './sha256';

/** Raised whenever the text of an entry changes its shape: what was written in another one counts as absent. */
const schema = 1;

/** Who wrote an entry, and when: what tells whether it is older than a purge. */
export interface EntryStamp {
  /** The one tier of one process that wrote it. */
  readonly writer: string;
  /** Rises with every write and every purge of that writer. */
  readonly number: number;
  /** Milliseconds on the writer's clock. */
  readonly writtenAt: number;
}

/** An entry as it stood in a store, under its whole key. */
export interface StoredEntry extends EntryStamp {
  readonly key: string;
  readonly entry: CacheEntry;
}

const plainKey = /^(?!sha256:)[\x20-\x7e]{1,500}$/;

/**
 * The key that an entry has in a store: its own where every store takes that as it is (up to 500 characters of
 * printable ASCII), else `sha256:` and the digest of it.
 */
export function storeKeyOf(key: string): string {
  // As JSON, as a digest of UTF-8 would not tell lone surrogates apart.
  return plainKey.test(key) ? key : `sha256:${sha256(JSON.stringify(key))}`;
}

/**
 * An entry as one JSON text, from which `decodeEntry` makes the same entry.
 *
 * @throws UnreadableValueError for a value that could not be brought back exactly
 */
export function encodeEntry({ key, entry, writer, number, writtenAt }: StoredEntry): string {
  const { storedAt, freshUntil, latency, tags, value } = entry;
  const usage = usageFrom(entry.usage);
  return encodeText({
    rxllm: schema,
    key,
    writer,
    number,
    writtenAt,
    storedAt,
    freshUntil,
    latency,
    usage,
    tags,
    value,
  });
}

/** What `encodeEntry` was given; undefined for whatever it has not written, or in another schema version. */
export function decodeEntry(text: unknown): StoredEntry | undefined {
  if (typeof text !== 'string') {
    return undefined;
  }
  let fields: unknown;
  try {
    fields = decodeText(text);
  } catch {
    return undefined;
  }
  if (!isWritten(fields)) {
    return undefined;
  }
  const { key, writer, number, writtenAt, storedAt, freshUntil, latency, usage, tags, value } = fields;
  const entry: CacheEntry = { value, storedAt, freshUntil, usage: usageFrom(usage), latency, tags };
  return { key, entry, writer, number, writtenAt };
}

type Written = Omit<StoredEntry, 'entry'> & Omit<CacheEntry, 'usage'> & { readonly usage: unknown };

const times = ['number', 'writtenAt', 'storedAt', 'freshUntil', 'latency'];

function isWritten(fields: unknown): fields is Written {
  if (!isFields(fields)) {
    return false;
  }
  const { rxllm, key, writer, tags } = fields;
  return (
    rxllm === schema &&
    typeof key === 'string' &&
    typeof writer === 'string' &&
    times.every((name) => typeof fields[name] === 'number' && !Number.isNaN(fields[name])) &&
    Array.isArray(tags) &&
    tags.every((tag) => typeof tag === 'string') &&
    'value' in fields
  );
}

/** The fields of a usage that rxllm knows; what else a call reported with them is no part of an entry. */
function usageFrom(usage: unknown): TokenUsage | undefined {
  if (!isFields(usage)) {
    return undefined;
  }
  const { inputTokens, outputTokens, model } = usage;
  return {
    ...(typeof inputTokens === 'number' && { inputTokens }),
    ...(typeof outputTokens === 'number' && { outputTokens }),
    ...(typeof model === 'string' && { model }),
  };
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> & {
  [name in keyof Written]?: unknown;
} & {
  readonly rxllm?: unknown;
} {
  return typeof value === 'object' && value !== null;
}
