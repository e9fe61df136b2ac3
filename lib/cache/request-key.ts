import stringify from 'fast-json-stable-stringify';
import { isTrait as isTraitByName } from '../core/traits';
import { plainJson, type CopyOptions } from './plain-json';
import { sha256 } from './sha256';

/** Tells answers apart in one cache, besides a key. An absent part differs from every value of it. */
export interface KeyParts {
  /** What the user calls the call: several calls may share a cache. */
  readonly namespace?: string;
  /** The endpoint that the call asks, or the number of its function. */
  readonly call?: string;
  /** `stream` for the answers of stream calls, which are kept with their chunks. */
  readonly form?: string;
  /** The version of the prompts and of the code around the call. */
  readonly version?: string;
  /** The owner of the answers: a tenant, or a set of credentials. */
  readonly scope?: string;
  /** The number of the answer, if several answers to one prompt are wanted. */
  readonly sample?: number;
}

/** Parts, of which some may be absent. */
type GivenParts = { readonly [Name in keyof KeyParts]?: KeyParts[Name] | undefined };

const promptFields = ['messages', 'input', 'contents', 'prompt'];

/**
 * The fields of an LLM body that steer its call or tell the provider who asks, each with what its value must be: another
 * value is content of the user's.
 */
const bodyOptions = new Map<string, (value: unknown) => boolean>([
  ['timeout', isNumber],
  ['maxRetries', isNumber],
  ['headers', (value) => isFlat(value) || isFunction((value as { get?: unknown } | null)?.get)],
  ['user', isText],
  ['metadata', isFlat],
]);

const flatTypes: ReadonlySet<string> = new Set(['string', 'number', 'boolean', 'undefined']);

/** How the key of a request is made. */
export interface KeyOptions {
  /** Whether a field is a trait, on which no answer depends. */
  readonly isTrait?: (name: string, value: unknown) => boolean;
  /** Takes in the names of the fields that the key leaves out. */
  readonly leftOut?: string[];
  /** The name of the request in the path of an error. */
  readonly root?: string;
}

/**
 * Makes the cache key of a request: `v1:` and the SHA-256 of its content, whatever the order of its fields. The key
 * covers the whole request but an `AbortSignal` called `signal`, valid traits, and, in an LLM body, `timeout`,
 * `maxRetries`, `headers`, `user` and `metadata`. So a request for a stream has another key than a request for a whole
 * answer.
 *
 * @throws UnreadableValueError for a value that cannot be told apart from others
 */
export function keyOfRequest(request: unknown, options: KeyOptions = {}): string {
  const { isTrait = isTraitByName, leftOut, root = 'request' } = options;
  const leaveOut = (fields: Record<string, unknown>) => leaveOutOptions(fields, isTrait, leftOut);
  return `v1:${sha256(canonicalText(request, root, leaveOut))}`;
}

/** Makes the key of a prompt with parameters; without parameters, the prompt counts as a request. */
export function generateKey(prompt: unknown, params?: unknown): string {
  if (params === undefined) {
    return keyOfRequest(prompt);
  }
  // This text is no JSON, so no request has the same.
  return `v1:${sha256(`${canonicalText(prompt, 'prompt')} with ${canonicalText(params, 'params')}`)}`;
}

/** Writes a value as a text that no other value has, whatever the order of its fields. */
function canonicalText(value: unknown, root: string, leaveOut?: CopyOptions['leaveOut']): string {
  return stringify(plainJson(value, root, { isForKey: true, leaveOut }));
}

/** The parts in their order in a key. */
const partNames = ['namespace', 'call', 'form', 'version', 'scope', 'sample'] as const;

/** Each part with its beginning, which is looked for at the end of the part before. */
const partBeginnings = partNames.map((name) => [name, new RegExp(`${name}\\((\\d+)\\):`, 'y')] as const);

/** The beginning of a part, of a key that is made from content, and of a key that would look like either. */
const beginsLikeOurs = /^(?:(?:namespace|call|form|version|scope|sample|key)\(|v1:)/;
const contentBeginning = 'v1:';
const escapedKey = 'key():';

/**
 * Joins a key of the user's and its parts. No two pairs of parts and key make the same text, and none makes one that is
 * made from content: the length of each part tells its end, as in `namespace(6):titles:sample(1):2:story:7`. A key
 * without parts stays as it is, unless it begins like a part or like a key that is made from content.
 */
export function composeKey(parts: GivenParts, key: string): string {
  return textOfParts(parts) + (beginsLikeOurs.test(key) ? escapedKey + key : key);
}

/** Joins a key that was made from content and its parts. */
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

/** Takes a composed key apart again; any other text is a key without parts. */
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

/** Sets the fields of a request to undefined on which its answer does not depend. */
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

/** Not by its class, as there are other realms and substitutes of it. */
function isSignal(value: unknown): boolean {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && isFunction(addEventListener);
}

/** Whether a value is a record of texts, numbers and the like, as headers and metadata are. */
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
