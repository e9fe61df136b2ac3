import { refusePromise, shown } from './settings';
import { prioritiesByRank, rankOf, type CallPriority, type PriorityRank } from './priority';

/** What rxllm reads off a request. */
export interface CallTraits {
  /** Default `medium`. */
  readonly priority?: CallPriority | undefined;
  /** The cache key, in place of one made from the request's content; `false` skips look-up, write and sharing. */
  readonly cacheKey?: string | false | undefined;
  /** Milliseconds the answer stays fresh in the cache, in place of the cache's `defaultTtl`; 0 does not keep it. */
  readonly cacheTtl?: number | undefined;
  /** What the answer can be invalidated by: `cache.invalidate({ tag })`. */
  readonly cacheTags?: readonly string[] | undefined;
  /** Who may share the answer (a tenant, a credential): part of the key. */
  readonly cacheScope?: string | undefined;
  /** Which of several answers to one prompt is wanted, 0, 1, 2, …: part of the key, so that each is a call of its own. */
  readonly sample?: number | undefined;
  /** What of the cache the request goes past. */
  readonly bypass?: CacheBypass | undefined;
  /** Tokens the call is expected to use, prompt and answer together; reserved from a token budget. */
  readonly tokens?: number | undefined;
  /** Milliseconds the request may wait, from its first rxllm operator on, before it fails unstarted. */
  readonly maxWait?: number | undefined;
  /** Whose request it is (a tenant); lanes that wait share the starts of a priority equally. */
  readonly lane?: string | undefined;
}

/**
 * What of the cache a request goes past; its key stays. `{ lookUp: true, sharing: true }` gets a new answer that
 * replaces the kept one; `cacheKey: false` is all three without a key.
 */
export interface CacheBypass {
  /** A kept answer is not taken. */
  readonly lookUp?: boolean | undefined;
  /** Its answer is not kept, unless another request that shares the call wants it kept. */
  readonly write?: boolean | undefined;
  /** It neither joins a running call nor lets others join its own. */
  readonly sharing?: boolean | undefined;
}

/**
 * Reads the traits of a request; must be pure, as it may be called more than once for one request. If requests come from
 * outside, give one: a stranger's `cacheScope`, `priority` or `lane` is not his to choose.
 */
export type TraitsReader<R> = (request: R) => CallTraits;

const isWait = (value: unknown): value is number => typeof value === 'number' && value >= 0;
const isCount = (value: unknown): value is number => isWait(value) && Number.isFinite(value);
const isText = (value: unknown): value is string => typeof value === 'string';

/** For each trait, what a value must be to be taken for one: a request's field of that name may mean another thing. */
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
  // One that is undefined counts as absent, as it does wherever rxllm takes options.
  const entries = Object.entries(value).filter(([, on]) => on !== undefined);
  return (
    entries.length > 0 && entries.every(([name, on]) => bypassNames.has(name) && typeof on === 'boolean')
  );
}

/** Whether a field of a request is one of its traits, going by its name and its value. */
export function isTrait(name: string, value: unknown): boolean {
  return isTraitName(name) && validity[name].is(value);
}

function isList(request: object): boolean {
  return Array.isArray(request) || ArrayBuffer.isView(request);
}

/** A comparison with each name is several times as fast as a look-up in a set, and every field of a request is asked. */
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
      // So that a new trait cannot be forgotten here.
      trait satisfies never;
      return false;
  }
}

/** Traits are of few shapes, as what reads them is several times as fast then. */
type ReadTraits = { -readonly [Name in keyof Required<CallTraits>]: unknown } & {
  /** The fields that have the name of a trait, but no value that it may have. */
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

/** Those of a request that has none. */
export const noTraits = unset as CallTraits;

/** A reader of the user's, of whose traits only the valid ones are taken: one NaN must not stop everybody. */
export function validated<R>(reader: TraitsReader<R> | undefined): TraitsReader<R> {
  if (!reader) {
    return readTraits;
  }
  return (request) => {
    const traits = reader(request);
    // Without its `cacheScope` a request would get the answers of another tenant.
    refusePromise('traits', traits);
    return readTraits(traits);
  };
}

/** The traits of requests, from wherever they come. */
export interface RequestTraits<R> {
  readonly read: TraitsReader<R>;
  /** Whether a field of a request is one of its traits, going by its name and its value. */
  readonly isTrait: (name: string, value: unknown) => boolean;
}

const byName: RequestTraits<unknown> = { read: readTraits, isTrait };

/**
 * The traits of requests.
 *
 * @param reader a function of the user's: then nothing is read by name
 * @param beside traits given beside the requests: fields of these names are then no traits
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
 * The traits that stand among the options of a call; undefined if there are none.
 *
 * @throws TypeError for a value that the trait cannot have
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

/** The fields of a request that have the name of a trait, but no value that it may have: they are content. */
export function ignoredOf(traits: CallTraits): readonly (keyof CallTraits)[] | undefined {
  return (traits as Partial<ReadTraits>).ignored;
}

/** The traits of requests that have no other but their priority, as most do. */
const justPriority = prioritiesByRank.map((priority): ReadTraits => ({ ...unset, priority }));

/** The default reader: the request's own enumerable fields of the traits' names, each only where it is a valid trait. */
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
  // A request has few fields, and going through them costs less than asking for each trait; but for a long list.
  for (const name in isList(request) ? validity : request) {
    if (!isTraitName(name) || !isOwn(request, name)) {
      continue;
    }
    const value = request[name];
    // The two that most requests have, apart: what is done by a name that is not known beforehand takes twice as long.
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

/** Those of a request that has but priority and key, as most have where keys are given: a third as large as all traits. */
class KeyedTraits {
  constructor(
    readonly priority: CallPriority | undefined,
    readonly cacheKey: string | false,
  ) {}
}

function isOwn<Name extends string>(request: object, name: Name): request is Readonly<Record<Name, unknown>> {
  // Not Object.hasOwn, which is not yet folded into a loop over the fields.
  return Object.prototype.hasOwnProperty.call(request, name);
}
