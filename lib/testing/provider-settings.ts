import type { SchedulerLike } from 'rxjs';
import {
  choiceSetting,
  configObject,
  functionSetting,
  numberSetting,
  requiredNumber,
  switchSetting,
} from '../core/settings';
import type {
  LatencyConfig,
  SimulatedHeaders,
  SimulatedLimit,
  SimulatedNeighbour,
  SimulatedOutage,
  SimulatedProviderConfig,
  SimulatedRetryAfter,
  StreamingConfig,
} from './provider-config';
import type { RequestTokens } from './request-tokens';

export interface LimitChange {
  readonly at: number;
  readonly limit: number;
  readonly depth: number;
}

type Complete<T> = { readonly [Name in keyof T]-?: Exclude<T[Name], undefined> };

export interface LimitSettings extends Complete<SimulatedLimit> {
  readonly changes: readonly LimitChange[];
}

export interface OutageSettings {
  readonly from: number;
  readonly until: number;
  readonly failureRate: number;
  readonly status: number;
  readonly retryAfter: number | undefined;
}

export type NeighbourSettings = Complete<SimulatedNeighbour>;

export type StreamingSettings = Complete<StreamingConfig>;

export interface ProviderSettings<R> {
  readonly limits: readonly LimitSettings[];
  readonly headers: SimulatedHeaders;
  readonly retryAfter: SimulatedRetryAfter;
  readonly refusedCallsCount: boolean;
  readonly refuse: SimulatedProviderConfig<R>['refuse'];
  readonly tokensOf: ((request: R) => RequestTokens) | undefined;
  readonly latency: Complete<LatencyConfig>;
  readonly streaming: StreamingSettings;
  readonly outages: readonly OutageSettings[];
  readonly neighbours: readonly NeighbourSettings[];
  readonly seed: number;
  readonly scheduler: SchedulerLike | undefined;
}

const owner = 'SimulatedProvider';

/**
 * Fills in the defaults.
 *
 * @throws TypeError or RangeError that names the wrong field
 */
export function settingsOf<R>(given: SimulatedProviderConfig<R> | undefined): ProviderSettings<R> {
  const config: SimulatedProviderConfig<R> = configObject(owner, given);
  onlyFields(`The config of ${owner}`, config, {
    limits: true,
    headers: true,
    retryAfter: true,
    refusedCallsCount: true,
    refuse: true,
    tokensOf: true,
    latency: true,
    streaming: true,
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
  const latency = latencySettings(config.latency);
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
    refuse: functionSetting('refuse', config.refuse),
    tokensOf: functionSetting('tokensOf', config.tokensOf),
    latency,
    streaming: streamingSettings(config.streaming, latency),
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
  const amount = requiredNumber(`${field}.limit`, limit.limit, { above: true });
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
    const changed = requiredNumber(`${path}.limit`, change.limit, { above: true });
    return {
      at: requiredNumber(`${path}.at`, change.at),
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

function latencySettings(latency: LatencyConfig | undefined): Complete<LatencyConfig> {
  const config: LatencyConfig = configObject('latency', latency);
  onlyFields('latency', config, { base: true, perOutputToken: true, refusal: true, knee: true });
  return {
    base: numberSetting('latency.base', config.base, 300),
    perOutputToken: numberSetting('latency.perOutputToken', config.perOutputToken, 5),
    refusal: numberSetting('latency.refusal', config.refusal, 100),
    knee: numberSetting('latency.knee', config.knee, Infinity, { above: true, infinite: true }),
  };
}

function streamingSettings(
  streaming: StreamingConfig | undefined,
  { base, perOutputToken }: Complete<LatencyConfig>,
): StreamingSettings {
  const config: StreamingConfig = configObject('streaming', streaming);
  onlyFields('streaming', config, { timeToFirstToken: true, tokensPerSecond: true, deathRate: true });
  const { timeToFirstToken, tokensPerSecond, deathRate } = config;
  return {
    timeToFirstToken: numberSetting('streaming.timeToFirstToken', timeToFirstToken, base),
    tokensPerSecond: numberSetting('streaming.tokensPerSecond', tokensPerSecond, 1000 / perOutputToken, {
      above: true,
      infinite: true,
    }),
    deathRate: numberSetting('streaming.deathRate', deathRate, 0, { max: 1 }),
  };
}

function outageSettings(field: string, outage: SimulatedOutage): OutageSettings {
  onlyFields(field, outage, { from: true, until: true, failureRate: true, status: true, retryAfter: true });
  const failureRate = requiredNumber(`${field}.failureRate`, outage.failureRate);
  if (failureRate > 1) {
    throw new RangeError(`${field}.failureRate must be at most 1, but is ${failureRate}.`);
  }
  const from = requiredNumber(`${field}.from`, outage.from);
  return {
    from,
    until: requiredNumber(`${field}.until`, outage.until, { min: from, infinite: true }),
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
    requestsPerMinute: requiredNumber(`${field}.requestsPerMinute`, neighbour.requestsPerMinute, {
      above: true,
    }),
    tokensPerRequest: numberSetting(`${field}.tokensPerRequest`, neighbour.tokensPerRequest, 0),
    from,
    until: numberSetting(`${field}.until`, neighbour.until, Infinity, { min: from, infinite: true }),
    arrivals: choiceSetting(`${field}.arrivals`, neighbour.arrivals, 'even', ['even', 'poisson']),
  };
}

/** Refuses unknown fields: a misspelt limit would silently be missing. */
function onlyFields<T extends object>(
  field: string,
  value: T,
  known: Readonly<Record<keyof Complete<T>, true>>,
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

/** Refuses a missing value. */
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
