import { refusePromise, shown } from './settings';
import { prioritiesByRank, rankOf, type CallPriority, type PriorityRank } from './priority';

/** What rxllm reads from a request. */
export interface CallTraits {
  /** How urgent the request is. @defaultValue `medium` */
  readonly priority?: CallPriority | undefined;
  /** The cache key, in place of one made from the request's content; `false` skips look-up, write and sharing. */
  readonly cacheKey?: string | false | undefined;
  /** Milliseconds the answer stays fresh in the cache, in place of the cache's `defaultTtl`; 0 does not keep it. */
  readonly cacheTtl?: number | undefined;
  /** Tags by which the answer can be invalidated: `cache.invalidate({ tag })`. */
  readonly cacheTags?: readonly string[] | undefined;
  /** Who may share the answer (a tenant, a credential); part of the key. */
  readonly cacheScope?: string | undefined;
  /** Which of several answers to one prompt is wanted: 0, 1, 2, …; part of the key, so each is a call of its own. */
  readonly sample?: number | undefined;
  /** The parts of the cache that the request bypasses. */
  readonly bypass?: CacheBypass | undefined;
  /** Tokens that the call is expected to use, prompt and answer together; reserved from token budgets. */
  readonly tokens?: number | undefined;
  /** Milliseconds that the request may wait, from its first rxllm operator on, before it fails without a call. */
  readonly maxWait?: number | undefined;
  /** Whose request it is, such as a tenant; waiting lanes share the starts of a priority equally. */
  readonly lane?: string | undefined;
}

/**
 * The parts of the cache that a request bypasses. Its key stays. `{ lookUp: true, sharing: true }` gets a new answer
 * that replaces the kept one. `cacheKey: false` bypasses all three and has no key.
 */
export interface CacheBypass {
  /** Takes no kept answer. */
  readonly lookUp?: boolean | undefined;
  /** Does not keep the answer, unless another request that shares the call does. */
  readonly write?: boolean | undefined;
  /** Neither joins a running call nor lets others join its own. */
  readonly sharing?: boolean | undefined;
}

/**
 * Reads the traits of a request. Must be pure: it may be called more than once for a request. Give one if requests come
 * from outside, so that a stranger cannot choose `cacheScope`, `priority` or `lane`.
 */
export type TraitsReader<R> = (request: R) => CallTraits;

const isWait = (value: unknown): value is number => typeof value === 'number' && value >= 0;
const isCount = (value: unknown): value is number => isWait(value) && Number.isFinite(value);
const isText = (value: unknown): value is string => typeof value === 'string';

/** The values that each trait may have. A request's field with another value is taken for content. */
const validity: {
  readonly [Name in keyof Required<CallTraits>]: {
    readonly is: (value: unknown) => boolean;
    readonly expected: string;
  };
} = {
  priority: {
    is: (value) => rankOf(value) !== undefined,
    expected: `'${prioritiesByRank.join("', '")}'`,
  },
  cacheKey: { is: isCacheKey, expected: 'a string that is not empty, or false' },
  cacheTtl: { is: isWait, expected: 'a number of at least 0' },
  cacheTags: { is: (value) => Array.isArray(value) && value.every(isText), expected: 'an array of strings' },
  cacheScope: { is: isText, expected: 'a string' },
  sample: {
    is: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
    expected: 'a whole number of at least 0',
  },
  bypass: { is: isBypass, expected: 'an object with lookUp, write or sharing, true or false' },
  tokens: { is: isCount, expected: 'a finite number of at least 0' },
  maxWait: { is: isWait, expected: 'a number of at least 0' },
  lane: { is: isText, expected: 'a string' },
};

function isCacheKey(value: unknown): value is string | false {
  return value === false || (typeof value === 'string' && value !== '');
}

const bypassNames: ReadonlySet<string> = new Set(['lookUp', 'write', 'sharing']);

function isBypass(value: unknown): value is CacheBypass {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  // An undefined field counts as absent, as in all options.
  const entries = Object.entries(value).filter(([, on]) => on !== undefined);
  return (
    entries.length > 0 && entries.every(([name, on]) => bypassNames.has(name) && typeof on === 'boolean')
  );
}

/** Whether a field of a request is a trait, by its name and value. */
export function isTrait(name: string, value: unknown): boolean {
  return isTraitName(name) && validity[name].is(value);
}

function isList(request: object): boolean {
  return Array.isArray(request) || ArrayBuffer.isView(request);
}

function isTraitName(name: string): name is keyof CallTraits {
  const trait = name as keyof CallTraits;
  switch (trait) {
    case 'priority':
    case 'cacheKey':
    case 'cacheTtl':
    case 'cacheTags':
    case 'cacheScope':
    case 'sample':
    case 'bypass':
    case 'tokens':
    case 'maxWait':
    case 'lane':
      return true;
    default:
      trait satisfies never;
      return false;
  }
}

type ReadTraits = { -readonly [Name in keyof Required<CallTraits>]: unknown } & {
  /** Fields with the name of a trait but no valid value. */
  ignored: (keyof CallTraits)[] | undefined;
};

const unset: ReadTraits = {
  priority: undefined,
  cacheKey: undefined,
  cacheTtl: undefined,
  cacheTags: undefined,
  cacheScope: undefined,
  sample: undefined,
  bypass: undefined,
  tokens: undefined,
  maxWait: undefined,
  lane: undefined,
  ignored: undefined,
};

export const noTraits = unset as CallTraits;

/** A reader that takes only valid traits from the user's reader: one NaN must not stop all requests. */
export function validated<R>(reader: TraitsReader<R> | undefined): TraitsReader<R> {
  if (!reader) {
    return readTraits;
  }
  return (request) => {
    const traits = reader(request);
    // Without its `cacheScope` a request could get the answers of another tenant.
    refusePromise('traits', traits);
    return readTraits(traits);
  };
}

export interface RequestTraits<R> {
  readonly read: TraitsReader<R>;
  readonly isTrait: (name: string, value: unknown) => boolean;
}

const byName: RequestTraits<unknown> = { read: readTraits, isTrait };

/**
 * @param reader the user's reader; then no field is read by name
 * @param beside traits given beside the requests: fields of these names are not read
 */
export function traitsOfRequests<R>(reader?: TraitsReader<R>, beside?: CallTraits): RequestTraits<R> {
  const own = reader ? { read: validated(reader), isTrait: () => false } : byName;
  if (!beside) {
    return own;
  }
  return {
    read: (request) => {
      const traits = own.read(request);
      const ignored = ignoredOf(traits)?.filter((name) => !(name in beside));
      return Object.assign({ ...traits }, beside, { ignored });
    },
    isTrait: (name, value) => !(name in beside) && own.isTrait(name, value),
  };
}

/**
 * The traits among the options of a call; undefined if there are none.
 *
 * @throws TypeError if a trait has an invalid value
 */
export function traitsBeside(options: object): CallTraits | undefined {
  let traits: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && isTraitName(name)) {
      const { is, expected } = validity[name];
      if (!is(value)) {
        throw new TypeError(`${name} must be ${expected}, but is ${shown(value)}.`);
      }
      (traits ??= {})[name] = value;
    }
  }
  return traits;
}

/** Fields with the name of a trait but no valid value; they are content. */
export function ignoredOf(traits: CallTraits): readonly (keyof CallTraits)[] | undefined {
  return (traits as Partial<ReadTraits>).ignored;
}

const justPriority = prioritiesByRank.map((priority): ReadTraits => ({ ...unset, priority }));

/** The default reader: the request's own enumerable fields that are valid traits. */
export function readTraits(request: unknown): CallTraits {
  return traitsIn(request) as CallTraits;
}

function traitsIn(request: unknown): ReadTraits | KeyedTraits {
  if (typeof request !== 'object' || request === null) {
    return unset;
  }
  let rank: PriorityRank | undefined;
  let cacheKey: string | false | undefined;
  let others: ReadTraits | undefined;
  // Do not walk the items of a long list.
  for (const name in isList(request) ? validity : request) {
    if (!isTraitName(name) || !isOwn(request, name)) {
      continue;
    }
    const value = request[name];
    if (name === 'priority' && (rank = rankOf(value)) !== undefined) {
      continue;
    }
    if (name === 'cacheKey' && isCacheKey(value)) {
      cacheKey = value;
    } else if (validity[name].is(value)) {
      (others ??= { ...unset })[name] = value;
    } else if (value !== undefined && value !== null) {
      others ??= { ...unset };
      (others.ignored ??= []).push(name);
    }
  }
  const priority = rank === undefined ? undefined : prioritiesByRank[rank];
  if (others) {
    others.priority = priority;
    others.cacheKey = cacheKey;
    return others;
  }
  if (cacheKey === undefined) {
    return rank === undefined ? unset : justPriority[rank]!;
  }
  return new KeyedTraits(priority, cacheKey);
}

class KeyedTraits {
  constructor(
    readonly priority: CallPriority | undefined,
    readonly cacheKey: string | false,
  ) {}
}

function isOwn<Name extends string>(request: object, name: Name): request is Readonly<Record<Name, unknown>> {
  return Object.prototype.hasOwnProperty.call(request, name);
}
