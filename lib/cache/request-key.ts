import stringify from 'fast-json-stable-stringify';
import { isTrait as isTraitByName } from '../core/traits';
import { plainJson, type CopyOptions } from './plain-json';
import { sha256 } from './sha256';

/** The parts of a key besides its content. An absent part differs from every value of it. */
export interface KeyParts {
  /** The user's name of the call, as several calls may share a cache. */
  readonly namespace?: string;
  /** The endpoint that the call asks, or the number of its function. */
  readonly call?: string;
  /** `stream` for the answers of stream calls, which are kept with their chunks. */
  readonly form?: string;
  /** The version of the prompts and the code around the call. */
  readonly version?: string;
  /** The owner of the answers: a tenant, or a set of credentials. */
  readonly scope?: string;
  /** Which of several answers to one prompt. */
  readonly sample?: number;
}

type GivenParts = { readonly [Name in keyof KeyParts]?: KeyParts[Name] | undefined };

const promptFields = ['messages', 'input', 'contents', 'prompt'];

/**
 * The fields of an LLM body that control its call or name the client, each with its valid values. Another value is
 * content of the user.
 */
const bodyOptions = new Map<string, (value: unknown) => boolean>([
  ['timeout', isNumber],
  ['maxRetries', isNumber],
  ['headers', (value) => isFlat(value) || isFunction((value as { get?: unknown } | null)?.get)],
  ['user', isText],
  ['metadata', isFlat],
]);

const flatTypes: ReadonlySet<string> = new Set(['string', 'number', 'boolean', 'undefined']);

export interface KeyOptions {
  /** Whether a field is a trait, so that no answer depends on it. */
  readonly isTrait?: (name: string, value: unknown) => boolean;
  /** Collects the names of the fields that the key leaves out. */
  readonly leftOut?: string[];
  /** The name of the request in the path of an error. */
  readonly root?: string;
}

/**
 * Makes the cache key of a request: `v1:` and the SHA-256 of its content, in any order of fields. The key covers the
 * whole request except an `AbortSignal` called `signal`, valid traits, and, in an LLM body, `timeout`, `maxRetries`,
 * `headers`, `user` and `metadata`. So a request for a stream has another key than a request for a whole answer.
 *
 * @throws UnreadableValueError if a value cannot be part of a key
 */
export function keyOfRequest(request: unknown, options: KeyOptions = {}): string {
  const { isTrait = isTraitByName, leftOut, root = 'request' } = options;
  const leaveOut = (fields: Record<string, unknown>) => leaveOutOptions(fields, isTrait, leftOut);
  return `v1:${sha256(canonicalText(request, root, leaveOut))}`;
}

/** Makes the key of a prompt with parameters. Without parameters, the prompt counts as a request. */
export function generateKey(prompt: unknown, params?: unknown): string {
  if (params === undefined) {
    return keyOfRequest(prompt);
  }
  // This text is no JSON, so it differs from that of every request.
  return `v1:${sha256(`${canonicalText(prompt, 'prompt')} with ${canonicalText(params, 'params')}`)}`;
}

/** Writes a value as a text that is unique to it, in any order of fields. */
function canonicalText(value: unknown, root: string, leaveOut?: CopyOptions['leaveOut']): string {
  return stringify(plainJson(value, root, { isForKey: true, leaveOut }));
}

const partNames = ['namespace', 'call', 'form', 'version', 'scope', 'sample'] as const;

/** Each part with its beginning, which follows the previous part. */
const partBeginnings = partNames.map((name) => [name, new RegExp(`${name}\\((\\d+)\\):`, 'y')] as const);

/** The beginning of a part, of a key made from content, and of keys that look like either. */
const beginsLikeOurs = /^(?:(?:namespace|call|form|version|scope|sample|key)\(|v1:)/;
const contentBeginning = 'v1:';
const escapedKey = 'key():';

/**
 * Joins a user's key and its parts. No two pairs of parts and key give the same text, and none gives a key made from
 * content: the length of each part marks its end, as in `namespace(6):titles:sample(1):2:story:7`. A key without parts
 * stays as it is, unless it begins like a part or a key made from content.
 */
export function composeKey(parts: GivenParts, key: string): string {
  return textOfParts(parts) + (beginsLikeOurs.test(key) ? escapedKey + key : key);
}

export function composeContentKey(parts: GivenParts, key: string): string {
  return textOfParts(parts) + key;
}

function textOfParts(parts: GivenParts): string {
  let text = '';
  for (const name of partNames) {
    text += partText(name, parts[name]);
  }
  return text;
}

function partText(name: keyof KeyParts, part: string | number | undefined): string {
  if (part === undefined) {
    return '';
  }
  const text = String(part);
  return `${name}(${text.length}):${text}:`;
}

/** Splits a composed key; any other text is a key without parts. */
export function partsOfKey(composed: string): KeyParts & { readonly key: string } {
  if (!beginsLikeOurs.test(composed)) {
    return { key: composed };
  }
  const parts: { -readonly [Name in keyof KeyParts]: KeyParts[Name] } = {};
  let end = 0;
  for (const [name, beginning] of partBeginnings) {
    beginning.lastIndex = end;
    const length = beginning.exec(composed)?.[1];
    if (length !== undefined) {
      const start = beginning.lastIndex;
      const text = composed.slice(start, start + Number(length));
      end = start + text.length + 1;
      if (name === 'sample') {
        parts.sample = Number(text);
      } else {
        parts[name] = text;
      }
    }
  }
  const rest = composed.slice(end);
  const key = rest.startsWith(escapedKey) ? rest.slice(escapedKey.length) : rest;
  const made = rest.startsWith(contentBeginning) ? composeContentKey(parts, key) : composeKey(parts, key);
  return made === composed ? { ...parts, key } : { key: composed };
}

/** Sets the fields of a request that no answer depends on to undefined. */
function leaveOutOptions(
  fields: Record<string, unknown>,
  isTrait: (name: string, value: unknown) => boolean,
  leftOut?: string[],
): void {
  const isBody = isBodyOfLLM(fields);
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    const isOption = name === 'signal' ? isSignal(value) : isBody && bodyOptions.get(name)?.(value) === true;
    if (isOption || isTrait(name, value)) {
      fields[name] = undefined;
      leftOut?.push(name);
    }
  }
}

function isBodyOfLLM(fields: Record<string, unknown>): boolean {
  return (
    isText(fields['model']) &&
    promptFields.some((name) => isText(fields[name]) || Array.isArray(fields[name]))
  );
}

/** Not by class, because other realms and polyfills have their own. */
function isSignal(value: unknown): boolean {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && isFunction(addEventListener);
}

/** Whether a value is a record of primitives, as headers and metadata are. */
function isFlat(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((part) => part === null || flatTypes.has(typeof part))
  );
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}
