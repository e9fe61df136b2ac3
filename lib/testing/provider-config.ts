import type { SchedulerLike } from 'rxjs';
import { choiceSetting, configObject, functionSetting, numberSetting, switchSetting } from '../core/settings';
import type { RequestTokens } from './request-tokens';

/** What a limit can count. */
export type LimitedResource = 'requests' | 'tokens' | 'input-tokens' | 'output-tokens';

/** Whose header names and formats a simulated provider answers in. */
export type SimulatedHeaders = 'openai' | 'anthropic' | 'azure' | 'groq' | 'mistral' | 'none';

/** How a refusal says when to come back. */
export type SimulatedRetryAfter = 'seconds' | 'milliseconds' | 'body' | 'message' | 'none';

/**
 * One limit of a simulated provider.
 *
 * @example
 * const limits: SimulatedLimit[] = [
 *   { of: 'requests', limit: 600 },
 *   { of: 'requests', limit: 10, window: 1000, hidden: true },
 *   { of: 'tokens', limit: 200_000, changes: [{ at: 120_000, limit: 40_000 }] },
 * ];
 */
export interface SimulatedLimit {
  /** What it counts: calls, all tokens, those of the prompt, or those of the answer. */
  readonly of: LimitedResource;
  /** Requests or tokens per window. */
  readonly limit: number;
  /** Milliseconds. Default 60,000. */
  readonly window?: number;
  /**
   * A `bucket` refills continuously at `limit / window`; a `fixed-window` is full again at every multiple of
   * `window` since the provider was made. Default `bucket`.
   */
  readonly kind?: 'bucket' | 'fixed-window';
  /** The most requests or tokens that a bucket holds, with which it starts. Default: `limit`. */
  readonly depth?: number;
  /** Enforced but never stated in headers. Default false. */
  readonly hidden?: boolean;
  /**
   * From `at` on (milliseconds since the provider was made) the limit is another. The depth of a bucket changes in
   * proportion unless `depth` says otherwise; its level stays as far as the new depth holds it. A fixed window keeps
   * what was used of it.
   */
  readonly changes?: readonly { readonly at: number; readonly limit: number; readonly depth?: number }[];
}

/** A time in which calls fail. Times are milliseconds since the provider was made. */
export interface SimulatedOutage {
  /** The first moment of it. */
  readonly from: number;
  /** The first moment after it. */
  readonly until: number;
  /** The chance that an admitted call fails, from 0 to 1. */
  readonly failureRate: number;
  /** The HTTP status of calls that fail, 500 or above. Default 503. */
  readonly status?: number;
  /** Milliseconds that calls which fail are told to wait. Default: they are told nothing. */
  readonly retryAfter?: number;
}

/** Somebody else on the same account. Times are milliseconds since the provider was made. */
export interface SimulatedNeighbour {
  /** How often it comes: that many requests a minute. */
  readonly requestsPerMinute: number;
  /** Tokens of each of its requests, all of the prompt. Default 0. */
  readonly tokensPerRequest?: number;
  /** When it begins; it first comes one interval later. Default 0. */
  readonly from?: number;
  /** When it leaves. Default `Infinity`. */
  readonly until?: number;
  /** Evenly spaced, or by chance at the same mean rate. Default `even`. */
  readonly arrivals?: 'even' | 'poisson';
}

/** How long answers take, in milliseconds; every answer comes at a whole millisecond. */
export interface LatencyConfig {
  /** Milliseconds of every answer. Default 300. */
  readonly base?: number;
  /** Milliseconds more for each token of the answer. Default 5. */
  readonly perOutputToken?: number;
  /** Milliseconds until a refused or failed call hears of it. Default 100. */
  readonly refusal?: number;
  /**
   * The calls that a local model serves at full speed. A call that starts as the n-th of the admitted calls that run
   * at that moment takes `n / knee` times as long, if n is above the knee. What starts later stretches nothing that
   * runs already, and refusals and failures are never stretched. Default `Infinity`.
   */
  readonly knee?: number;
}

/** How a simulated provider behaves; without any of it, it admits everything. */
export interface SimulatedProviderConfig<R = unknown> {
  /** Its limits; a call must find room in all of them. Default: none. */
  readonly limits?: readonly SimulatedLimit[];
  /**
   * Whose header names and formats it answers in; `none` sends none but a hint of when to come back. A limit that
   * the format has no name for (OpenAI's names know only requests and tokens, Mistral's only minutes) is enforced
   * and not stated; of several limits with one name the one with the least left is stated. Default `openai`.
   */
  readonly headers?: SimulatedHeaders;
  /**
   * How a refusal (429) says when to come back: in `retry-after` (whole seconds, rounded up), in `retry-after-ms`, in
   * the body as Gemini's `RetryInfo`, in the message as OpenAI does (`Limit 3, Used 3, Requested 1. Please try again
   * in 20s.`), or not at all. Default `seconds`.
   */
  readonly retryAfter?: SimulatedRetryAfter;
  /**
   * Whether a refused call takes a request from every limit of requests, down to 0 and never below; it takes no
   * tokens. Default true.
   */
  readonly refusedCallsCount?: boolean;
  /**
   * The tokens of a request. Default: a token of input for every 4 characters of its strings, and `max_tokens` of
   * output, or 100 without one.
   */
  readonly tokensOf?: (request: R) => RequestTokens;
  /** How long answers take. */
  readonly latency?: LatencyConfig;
  /** Times in which calls fail. Default: none. */
  readonly outages?: readonly SimulatedOutage[];
  /**
   * Others on the same account: each takes what it wants when it is there, and drops what is refused to it (which
   * costs nothing). Default: none.
   */
  readonly neighbours?: readonly SimulatedNeighbour[];
  /** The seed of all chance, a whole number: with the same seed everything happens again. Default 1. */
  readonly seed?: number;
  /** The scheduler whose time it lives by. Default `asyncScheduler`, which is virtual in `TestScheduler.run`. */
  readonly scheduler?: SchedulerLike;
}

/** A limit from a time on. */
export interface LimitChange {
  readonly at: number;
  readonly limit: number;
  readonly depth: number;
}

/** A limit with all defaults filled in, and its changes in order. */
export interface LimitSettings extends Required<SimulatedLimit> {
  readonly changes: readonly LimitChange[];
}

/** An outage with all defaults filled in. */
export interface OutageSettings {
  readonly from: number;
  readonly until: number;
  readonly failureRate: number;
  readonly status: number;
  readonly retryAfter: number | undefined;
}

/** A neighbour with all defaults filled in. */
export type NeighbourSettings = Required<SimulatedNeighbour>;

/** The whole config with all defaults filled in. */
export interface ProviderSettings<R> {
  readonly limits: readonly LimitSettings[];
  readonly headers: SimulatedHeaders;
  readonly retryAfter: SimulatedRetryAfter;
  readonly refusedCallsCount: boolean;
  readonly tokensOf: ((request: R) => RequestTokens) | undefined;
  readonly latency: Required<LatencyConfig>;
  readonly outages: readonly OutageSettings[];
  readonly neighbours: readonly NeighbourSettings[];
  readonly seed: number;
  readonly scheduler: SchedulerLike | undefined;
}

const owner = 'SimulatedProvider';

/** Fills in what is left out; a `TypeError` or `RangeError` names the field that is wrong. */
export function settingsOf<R>(given: SimulatedProviderConfig<R> | undefined): ProviderSettings<R> {
  const config: SimulatedProviderConfig<R> = configObject(owner, given);
  onlyFields(`The config of ${owner}`, config, {
    limits: true,
    headers: true,
    retryAfter: true,
    refusedCallsCount: true,
    tokensOf: true,
    latency: true,
    outages: true,
    neighbours: true,
    seed: true,
    scheduler: true,
  });
  const { scheduler } = config;
  if (
    scheduler !== undefined &&
    typeof (scheduler as Partial<SchedulerLike> | null)?.schedule !== 'function'
  ) {
    throw new TypeError('scheduler must be an RxJS scheduler.');
  }
  return {
    limits: list('limits', config.limits, limitSettings),
    headers: choiceSetting('headers', config.headers, 'openai', [
      'openai',
      'anthropic',
      'azure',
      'groq',
      'mistral',
      'none',
    ]),
    retryAfter: choiceSetting('retryAfter', config.retryAfter, 'seconds', [
      'seconds',
      'milliseconds',
      'body',
      'message',
      'none',
    ]),
    refusedCallsCount: switchSetting('refusedCallsCount', config.refusedCallsCount, true),
    tokensOf: functionSetting('tokensOf', config.tokensOf),
    latency: latencySettings(config.latency),
    outages: list('outages', config.outages, outageSettings),
    neighbours: list('neighbours', config.neighbours, neighbourSettings),
    seed: numberSetting('seed', config.seed, 1, { whole: true }),
    scheduler,
  };
}

function limitSettings(field: string, limit: SimulatedLimit): LimitSettings {
  onlyFields(field, limit, {
    of: true,
    limit: true,
    window: true,
    kind: true,
    depth: true,
    hidden: true,
    changes: true,
  });
  const amount = required(`${field}.limit`, limit.limit, { above: true });
  const kind = choiceSetting(`${field}.kind`, limit.kind, 'bucket', ['bucket', 'fixed-window']);
  const depthOf = (path: string, depth: number | undefined, fallback: number) => {
    if (kind === 'fixed-window' && depth !== undefined) {
      throw new TypeError(`${path} must be left out, because a fixed window holds what its limit says.`);
    }
    return numberSetting(path, depth, fallback, { above: true });
  };
  const depth = depthOf(`${field}.depth`, limit.depth, amount);
  const changes = list(`${field}.changes`, limit.changes, (path, change): LimitChange => {
    onlyFields(path, change, { at: true, limit: true, depth: true });
    const changed = required(`${path}.limit`, change.limit, { above: true });
    return {
      at: required(`${path}.at`, change.at),
      limit: changed,
      depth: depthOf(`${path}.depth`, change.depth, (depth * changed) / amount),
    };
  });
  return {
    of: choiceSetting(`${field}.of`, given(limit.of), 'requests', [
      'requests',
      'tokens',
      'input-tokens',
      'output-tokens',
    ]),
    limit: amount,
    window: numberSetting(`${field}.window`, limit.window, 60_000, { above: true }),
    kind,
    depth,
    hidden: switchSetting(`${field}.hidden`, limit.hidden, false),
    changes: changes.sort((one, other) => one.at - other.at),
  };
}

function latencySettings(latency: LatencyConfig | undefined): Required<LatencyConfig> {
  const config: LatencyConfig = configObject('latency', latency);
  onlyFields('latency', config, { base: true, perOutputToken: true, refusal: true, knee: true });
  return {
    base: numberSetting('latency.base', config.base, 300),
    perOutputToken: numberSetting('latency.perOutputToken', config.perOutputToken, 5),
    refusal: numberSetting('latency.refusal', config.refusal, 100),
    knee: numberSetting('latency.knee', config.knee, Infinity, { above: true, infinite: true }),
  };
}

function outageSettings(field: string, outage: SimulatedOutage): OutageSettings {
  onlyFields(field, outage, { from: true, until: true, failureRate: true, status: true, retryAfter: true });
  const failureRate = required(`${field}.failureRate`, outage.failureRate);
  if (failureRate > 1) {
    throw new RangeError(`${field}.failureRate must be at most 1, but is ${failureRate}.`);
  }
  const from = required(`${field}.from`, outage.from);
  return {
    from,
    until: required(`${field}.until`, outage.until, { min: from, infinite: true }),
    failureRate,
    status: numberSetting(`${field}.status`, outage.status, 503, { min: 500, whole: true }),
    retryAfter:
      outage.retryAfter === undefined
        ? undefined
        : numberSetting(`${field}.retryAfter`, outage.retryAfter, 0),
  };
}

function neighbourSettings(field: string, neighbour: SimulatedNeighbour): NeighbourSettings {
  onlyFields(field, neighbour, {
    requestsPerMinute: true,
    tokensPerRequest: true,
    from: true,
    until: true,
    arrivals: true,
  });
  const from = numberSetting(`${field}.from`, neighbour.from, 0);
  return {
    requestsPerMinute: required(`${field}.requestsPerMinute`, neighbour.requestsPerMinute, { above: true }),
    tokensPerRequest: numberSetting(`${field}.tokensPerRequest`, neighbour.tokensPerRequest, 0),
    from,
    until: numberSetting(`${field}.until`, neighbour.until, Infinity, { min: from, infinite: true }),
    arrivals: choiceSetting(`${field}.arrivals`, neighbour.arrivals, 'even', ['even', 'poisson']),
  };
}

/** A misspelt field would else be a limit that silently is not there. */
function onlyFields<T extends object>(
  field: string,
  value: T,
  known: Readonly<Record<keyof Required<T>, true>>,
): void {
  if (typeof value !== 'object' || value === (null as unknown)) {
    throw new TypeError(`${field} must be an object.`);
  }
  const unknown = Object.keys(value).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) {
    throw new TypeError(
      `${field} must not have a field '${unknown}'. It may have ${Object.keys(known).join(', ')}.`,
    );
  }
}

/** The numbers and words without a default: left out, they are as wrong as any other wrong value. */
function required(
  field: string,
  value: number,
  bounds?: { readonly min?: number; readonly above?: boolean; readonly infinite?: boolean },
): number {
  return numberSetting(field, given(value), 0, bounds);
}

function given<T>(value: T): T {
  return value === undefined ? (null as T) : value;
}

function list<T, S>(
  field: string,
  values: readonly T[] | undefined,
  check: (field: string, value: T) => S,
): S[] {
  const unchecked: unknown = values;
  if (unchecked !== undefined && !Array.isArray(unchecked)) {
    throw new TypeError(`${field} must be an array.`);
  }
  return values?.map((value, index) => check(`${field}[${index}]`, value)) ?? [];
}
