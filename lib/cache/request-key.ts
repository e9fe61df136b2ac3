import stringify from 'fast-json-stable-stringify';
import { isTrait } from '../core/traits';
import { plainJson, type CopyOptions } from './plain-json';
import { sha256 } from './sha256';

/** Tells answers apart in one cache, besides a key. An absent part differs from every value of it. */
export interface KeyParts {
  /** The call: several calls may share a cache. */
  readonly namespace?: string;
  /** `stream` for the answers of stream calls, which are kept with their chunks. */
  readonly form?: string;
  /** The version of the prompts and of the code around the call. */
  readonly version?: string;
  /** The owner of the answers: a tenant, or a set of credentials. */
  readonly scope?: string;
  /** The number of the answer, if several answers to one prompt are wanted. */
  readonly sample?: number;
}

/** Fields that steer a call but not its answer. */
const steeringFields = ['signal', 'timeout', 'maxRetries', 'headers'];

/** Fields of an LLM body that tell the provider who asks. */
const accountingFields = ['user', 'metadata'];

const promptFields = ['messages', 'input', 'contents', 'prompt'];

/**
 * Makes the cache key of a request: `v1:` and the SHA-256 of its content, whatever the order of its fields. The key
 * covers the whole request but `signal`, `timeout`, `maxRetries`, `headers`, valid traits, and, in an LLM body, `user`
 * and `metadata`. So a request for a stream has another key than a request for a whole answer.
 *
 * @param readsTraitsByName false if a function of the user reads the traits: then no field is a trait by its name
 * @throws UnreadableValueError for a value that cannot be told apart from others
 */
export function keyOfRequest(request: unknown, readsTraitsByName = true): string {
  const choose = readsTraitsByName ? leaveOutSteeringAndTraits : leaveOutSteering;
  return `v1:${sha256(canonicalText(request, 'request', choose))}`;
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
const partNames = ['namespace', 'form', 'version', 'scope', 'sample'] as const;

/** Each part with its beginning, which is looked for at the end of the part before. */
const partBeginnings = partNames.map((name) => [name, new RegExp(`${name}\\((\\d+)\\):`, 'y')] as const);

/** The beginning of a part, and the mark of a key that begins like a part. */
const beginsLikePart = /^(?:namespace|form|version|scope|sample|key)\(/;
const escapedKey = 'key():';

/**
 * Joins a key and its parts. No two pairs of parts and key make the same text: the length of each part tells its end, as
 * in `namespace(6):titles:sample(1):2:v1:…`. A key without parts stays as it is, unless it begins like a part.
 */
export function composeKey(
  parts: { readonly [Name in keyof KeyParts]: KeyParts[Name] | undefined },
  key: string,
): string {
  const texts = partNames.map((name) => partText(name, parts[name]));
  return texts.join('') + (beginsLikePart.test(key) ? escapedKey + key : key);
}

function partText(name: keyof KeyParts, part: string | number | undefined): string {
  if (part === undefined) {
    return '';
  }
  const text = String(part);
  return `${name}(${text.length}):${text}:`;
}

/** Takes a text of `composeKey` apart again; any other text is a key without parts. */
export function partsOfKey(composed: string): KeyParts & { readonly key: string } {
  if (!beginsLikePart.test(composed)) {
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
  return composeKey(parts, key) === composed ? { ...parts, key } : { key: composed };
}

/** Sets the fields of a request to undefined on which its answer does not depend. */
function leaveOutSteering(fields: Record<string, unknown>): void {
  leaveOut(fields, steeringFields);
  if (typeof fields['model'] === 'string' && promptFields.some((name) => fields[name] !== undefined)) {
    leaveOut(fields, accountingFields);
  }
}

function leaveOutSteeringAndTraits(fields: Record<string, unknown>): void {
  leaveOutSteering(fields);
  for (const name of Object.keys(fields)) {
    if (isTrait(name, fields[name])) {
      fields[name] = undefined;
    }
  }
}

function leaveOut(fields: Record<string, unknown>, names: readonly string[]): void {
  for (const name of names) {
    fields[name] = undefined;
  }
}
