import type { CallPriority } from './priority';
import { rankOf } from './priority';

/** What rxllm reads off a request. */
export interface CallTraits {
  /** Default `medium`. */
  readonly priority?: CallPriority;
  /** The cache key, in place of one made from the request's content; `false` skips look-up, write and sharing. */
  readonly cacheKey?: string | false;
  /** Milliseconds the answer stays in the cache, in place of the cache's `defaultTtl`. */
  readonly cacheTtl?: number;
  /** Tokens the call is expected to use, prompt and answer together; reserved from a token budget. */
  readonly tokens?: number;
  /** Milliseconds the request may wait, from its first rxllm operator on, before it fails unstarted. */
  readonly maxWait?: number;
  /** Whose request it is (a tenant); lanes that wait share the starts of a priority equally. */
  readonly lane?: string;
}

/** Reads the traits of a request; must be pure, as it may be called more than once for one request. */
export type TraitsReader<R> = (request: R) => CallTraits;

const isWait = (value: unknown): value is number => typeof value === 'number' && value >= 0;
const isCount = (value: unknown): value is number => isWait(value) && Number.isFinite(value);

/** For each trait, what a value must be to be taken for one: a request's field of that name may mean another thing. */
const validity: { readonly [Name in keyof Required<CallTraits>]: (value: unknown) => boolean } = {
  priority: (value) => rankOf(value) !== undefined,
  cacheKey: (value) => value === false || (typeof value === 'string' && value !== ''),
  cacheTtl: (value) => isWait(value) && value > 0,
  tokens: isCount,
  maxWait: isWait,
  lane: (value) => typeof value === 'string',
};

const traitNames = Object.keys(validity) as (keyof CallTraits)[];

/** Whether a field of a request is one of its traits, going by its name and its value. */
export function isTrait(name: string, value: unknown): boolean {
  return Object.hasOwn(validity, name) && validity[name as keyof CallTraits](value);
}

const noTraits: CallTraits = Object.freeze({});

/** A reader of the user's, of whose traits only the valid ones are taken: one NaN must not stop everybody. */
export function validated<R>(reader: TraitsReader<R> | undefined): TraitsReader<R> {
  return reader ? (request) => readTraits(reader(request)) : readTraits;
}

/** The default reader: the request's own fields of the traits' names, each only where its value is a valid trait. */
export function readTraits(request: unknown): CallTraits {
  if (typeof request !== 'object' || request === null) {
    return noTraits;
  }
  let traits: Record<string, unknown> | undefined;
  for (const name of traitNames) {
    if (Object.hasOwn(request, name)) {
      const value = (request as Record<string, unknown>)[name];
      if (validity[name](value)) {
        (traits ??= {})[name] = value;
      }
    }
  }
  return traits ?? noTraits;
}
