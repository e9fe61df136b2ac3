import type { TokenUsage } from '../core/call';
import { usedSoFar } from '../core/token-usage';
import type { CacheEntry } from './cache-entry';
import { decodeText, encodeText } from './plain-json';
import { sha256 } from './sha256';

/** Raise this when the text of an entry changes its shape. Texts of another schema count as absent. */
const schema = 2;

/** An entry in a store, with its whole key. */
export interface StoredEntry {
  readonly key: string;
  readonly entry: CacheEntry;
}

const plainKey = /^(?!sha256:)[\x20-\x7e]{1,500}$/;

/**
 * The key of an entry in a store: its own key if every store accepts it (up to 500 characters of printable ASCII), else
 * `sha256:` and its digest.
 */
export function storeKeyOf(key: string): string {
  // As JSON, because the UTF-8 digest of lone surrogates is not unique.
  return plainKey.test(key) ? key : `sha256:${sha256(JSON.stringify(key))}`;
}

/**
 * Writes an entry as a JSON text that `decodeEntry` reads.
 *
 * @throws UnreadableValueError if the value could not be restored exactly
 */
export function encodeEntry({ key, entry }: StoredEntry): string {
  const { storedAt, freshUntil, latency, tags, value } = entry;
  const usage = usageFrom(entry.usage);
  return encodeText({ rxllm: schema, key, storedAt, freshUntil, latency, usage, tags, value });
}

/** Reads the text of `encodeEntry`; undefined for any other text or schema. */
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

/** The known fields of a usage. Other reported fields are not stored. */
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
