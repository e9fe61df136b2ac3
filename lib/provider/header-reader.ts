import type { HeadersLike } from '../core/call';

/**
 * Reads one header by its lower-case name, with its lines joined by commas; undefined if it is absent, empty or
 * unreadable.
 */
export type HeaderReader = (name: string) => string | undefined;

/** A longer value says nothing about limits and is not read. */
const longestValue = 1024;

/** One value, if a gateway has repeated it (`500, 500`). */
function once(value: string): string {
  const [first, ...others] = value.split(',').map((part) => part.trim());
  return others.length > 0 && others.every((other) => other === first) ? first! : value;
}

/** Reads headers of any form. It never throws. */
export function headerReader(headers: HeadersLike): HeaderReader {
  let lookUp: ((name: string) => unknown) | undefined;
  return (name) => {
    try {
      lookUp ??= lookUpIn(headers);
      const found = lookUp(name);
      const value: unknown = Array.isArray(found) ? found.join(', ') : found;
      return typeof value === 'string' && value.length <= longestValue ? once(value) || undefined : undefined;
    } catch {
      return undefined;
    }
  };
}

function lookUpIn(headers: HeadersLike): (name: string) => unknown {
  if (typeof headers.get === 'function') {
    return (name) => (headers as { get(name: string): unknown }).get(name);
  }
  const record = headers as Readonly<Record<string, unknown>>;
  const names = new Map(Object.keys(record).map((key) => [key.toLowerCase(), key]));
  return (name) => {
    const key = Object.hasOwn(record, name) ? name : names.get(name);
    return key === undefined ? undefined : record[key];
  };
}

/** Reads one header by its lower-case name; undefined if it is absent or empty. */
export function headerOf(headers: HeadersLike, name: string): string | undefined {
  return headerReader(headers)(name);
}

/** A whole number of at least 0; undefined for -1 and any other text. */
export function countOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^\d{1,15}$/.test(trimmed) ? Number(trimmed) : undefined;
}
