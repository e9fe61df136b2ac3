import type { TokenUsage } from '../core/call';
import { usedSoFar } from '../core/token-usage';
import type { CacheEntry } from './cache-entry';
import { decodeText, encodeText } from './plain-json';
import { sha256 } from './sha256';

/** Raised whenever the text of an entry changes its shape: texts of another shape count as absent. */
const schema = 2;

/** An entry as it stands in a store, under its whole key. */
export interface StoredEntry {
  readonly key: string;
  readonly entry: CacheEntry;
}

const plainKey = /^(?!sha256:)[\x20-\x7e]{1,500}$/;

/**
 * The key that an entry has in a store: its own if every store takes that as it is (up to 500 characters of printable
 * ASCII), else `sha256:` and the digest of it.
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
export function encodeEntry({ key, entry }: StoredEntry): string {
  const { storedAt, freshUntil, latency, tags, value } = entry;
  const usage = usageFrom(entry.usage);
  return encodeText({ rxllm: schema, key, storedAt, freshUntil, latency, usage, tags, value });
}

/** Brings back what `encodeEntry` was given; undefined for any other text, and for that of another schema. */
export function decodeEntry(text: unknown): StoredEntry | undefined {
  let fields: unknown;
  try {
    fields = typeof text === 'string' ? decodeText(text) : undefined;
  } catch {
    return undefined;
  }
  if (!isWritten(fields)) {
    return undefined;
  }
  const { key, storedAt, freshUntil, latency, usage, tags, value } = fields;
  return { key, entry: { value, storedAt, freshUntil, usage: usageFrom(usage), latency, tags } };
}

type Written = Omit<CacheEntry, 'usage'> & { readonly key: string; readonly usage: unknown };

const times = ['storedAt', 'freshUntil', 'latency'];

function isWritten(fields: unknown): fields is Written {
  if (!isFields(fields)) {
    return false;
  }
  const { rxllm, key, tags } = fields;
  return (
    rxllm === schema &&
    typeof key === 'string' &&
    times.every((name) => typeof fields[name] === 'number' && !Number.isNaN(fields[name])) &&
    Array.isArray(tags) &&
    tags.every((tag) => typeof tag === 'string') &&
    'value' in fields
  );
}

/** The fields of a usage that rxllm knows; what else a call reported with them is no part of an entry. */
function usageFrom(usage: unknown): TokenUsage | undefined {
  return isFields(usage) ? usedSoFar(undefined, usage as TokenUsage) : undefined;
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> & {
  [name in keyof Written]?: unknown;
} & {
  readonly rxllm?: unknown;
} {
  return typeof value === 'object' && value !== null;
}
