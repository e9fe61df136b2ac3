import stringify from 'fast-json-stable-stringify';
import { isTrait } from '../core/traits';
import { sha256 } from './sha256';

/** Why a value cannot be part of a key, and where it stands. */
export class UnhashableValueError extends TypeError {
  override readonly name = 'UnhashableValueError';
  constructor(
    readonly path: string,
    readonly what: string,
  ) {
    super(
      `The value at ${path} is ${what}, which two different requests could share. Give the request a cacheKey, or make the value plain data.`,
    );
  }
}

/** Marks what is not plain JSON with its type; plain keys that begin like this get one more of it. */
const mark = '\u0000';

/** Deeper values overflow the stack of the stringifier. */
const deepest = 500;

/** Fields that steer a call but not its answer. */
const steeringFields: ReadonlySet<string> = new Set(['signal', 'timeout', 'maxRetries', 'headers']);

/** Fields of an LLM body that tell the provider who asks, not what. */
const accountingFields: ReadonlySet<string> = new Set(['user', 'metadata']);

const promptFields = ['messages', 'input', 'contents', 'prompt'];

/**
 * The cache key of a request: `v1:` and the SHA-256 of its content with sorted fields. It covers the whole request
 * but `signal`, `timeout`, `maxRetries`, `headers`, valid traits, and, in an LLM body, `user` and `metadata`.
 *
 * @param readsTraitsByName false where a function of the user's reads the traits: then no field is one by its name
 * @throws UnhashableValueError for a value that cannot be told apart from others after encoding
 */
export function keyOfRequest(request: unknown, readsTraitsByName = true): string {
  const encoded = isPlainObject(request)
    ? encodeRequest(request, readsTraitsByName)
    : encode(request, 'request', []);
  return `v1:${sha256(stringify(encoded))}`;
}

/** The key of a prompt with parameters; without parameters, that of a request. */
export function generateKey(prompt: unknown, params?: unknown): string {
  if (params === undefined) {
    return keyOfRequest(prompt);
  }
  const both = {
    [`${mark}prompt`]: encode(prompt, 'prompt', []),
    [`${mark}params`]: encode(params, 'params', []),
  };
  return `v1:${sha256(stringify(both))}`;
}

/** What a key within a namespace begins with. */
const namespaceMark = 'ns(';

/**
 * A key within a namespace, so that two calls over one cache never share an answer. The length of the namespace tells
 * where it ends; a key without a namespace stays as it is, unless it looks like one that has a namespace.
 */
export function namespacedKey(namespace: string | undefined, key: string): string {
  if (namespace !== undefined) {
    return `${namespaceMark}${namespace.length}):${namespace}:${key}`;
  }
  return key.startsWith(namespaceMark) ? `${namespaceMark}):${key}` : key;
}

function encodeRequest(request: Readonly<Record<string, unknown>>, readsTraitsByName: boolean): unknown {
  const isBody =
    typeof request['model'] === 'string' && promptFields.some((field) => request[field] !== undefined);
  const content: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  refuseSymbols(request, 'request');
  for (const field of Object.keys(request)) {
    const value = request[field];
    const isLeftOut =
      value === undefined ||
      steeringFields.has(field) ||
      (readsTraitsByName && isTrait(field, value)) ||
      (isBody && accountingFields.has(field));
    if (!isLeftOut) {
      content[escaped(field)] = encode(value, `request.${field}`, [request]);
    }
  }
  return content;
}

/** Returns plain JSON data as it is, and copies only what holds something that must be marked with its type. */
function encode(value: unknown, path: string, above: object[]): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return isJsonNumber(value) ? value : marked('number', Object.is(value, -0) ? '-0' : String(value));
    case 'bigint':
      return marked('bigint', String(value));
    case 'undefined':
      return marked('undefined', '');
    case 'object':
      return value === null ? null : encodeObject(value, path, above);
    default:
      throw new UnhashableValueError(path, `a ${typeof value}`);
  }
}

function encodeObject(value: object, path: string, above: object[]): unknown {
  if (above.includes(value)) {
    throw new UnhashableValueError(path, 'a reference back to an object it is part of');
  }
  if (above.length >= deepest) {
    throw new UnhashableValueError(path, `nested deeper than ${deepest} levels`);
  }
  above.push(value);
  try {
    if (Array.isArray(value)) {
      return encodeArray(value, path, above);
    }
    return isPlainObject(value) ? encodePlain(value, path, above) : encodeSpecial(value, path, above);
  } finally {
    above.pop();
  }
}

function encodeArray(array: readonly unknown[], path: string, above: object[]): unknown {
  let copy: unknown[] | undefined;
  for (let index = 0; index < array.length; index++) {
    const item = array[index];
    const encoded = encode(item, `${path}[${index}]`, above);
    if (encoded !== item && !copy) {
      copy = array.slice(0, index);
    }
    copy?.push(encoded);
  }
  return copy ?? array;
}

function encodePlain(object: Readonly<Record<string, unknown>>, path: string, above: object[]): unknown {
  refuseSymbols(object, path);
  let copy: Record<string, unknown> | undefined;
  const keys = Object.keys(object);
  for (const [index, key] of keys.entries()) {
    const value = object[key];
    const encoded = value === undefined ? undefined : encode(value, `${path}.${key}`, above);
    const name = escaped(key);
    if ((encoded !== value || name !== key) && !copy) {
      copy = Object.create(null) as Record<string, unknown>;
      for (const earlier of keys.slice(0, index)) {
        copy[earlier] = object[earlier];
      }
    }
    if (copy) {
      copy[name] = encoded;
    }
  }
  return copy ?? object;
}

function encodeSpecial(value: object, path: string, above: object[]): unknown {
  const type = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (value instanceof Date || type === 'Date') {
    return marked('date', String((value as Date).getTime()));
  }
  if (type === 'Map') {
    return marked('map', encodeArray([...(value as Map<unknown, unknown>)], path, above));
  }
  if (type === 'Set') {
    return marked('set', encodeArray([...(value as Set<unknown>)], path, above));
  }
  if (type === 'RegExp') {
    return marked('regexp', RegExp.prototype.toString.call(value));
  }
  if (type === 'ArrayBuffer') {
    return marked('bytes', [type, bytesOf(new Uint8Array(value as ArrayBuffer))]);
  }
  if (ArrayBuffer.isView(value)) {
    return marked('bytes', [type, bytesOf(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))]);
  }
  if (type === 'URL') {
    return marked('url', (value as { href: string }).href);
  }
  throw new UnhashableValueError(path, `of the class ${nameOfClass(value)}`);
}

function isJsonNumber(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}

function marked(type: string, content: unknown): object {
  return { [`${mark}${type}`]: content };
}

function escaped(key: string): string {
  return key.startsWith(mark) ? mark + key : key;
}

function bytesOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += byte.toString(16).padStart(2, '0');
  }
  return text;
}

function refuseSymbols(object: object, path: string): void {
  if (Object.getOwnPropertySymbols(object).length > 0) {
    throw new UnhashableValueError(path, 'an object with symbols for keys');
  }
}

function nameOfClass(value: object): string {
  const { constructor } = value as { constructor?: { name?: string } };
  return constructor?.name ?? 'unknown';
}

/** Whether an object was written as `{}` (in any realm) and not made by a class. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return false;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  return (
    prototype === null ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
  );
}
