import { Observable, type OperatorFunction } from 'rxjs';
import { LLMResultCache, internalsOf, type ResultCacheConfig } from '../cache/llm-result-cache';
import { RequestKeys, type KeySpace } from '../cache/request-identity';
import type { CallOutcome } from '../core/call';
import type { CallEventListener } from '../core/events';
import { guarded } from '../core/listener';
import {
  configObject,
  functionSetting,
  listenerSetting,
  numberSetting,
  requiredFunction,
  switchSetting,
} from '../core/settings';
import { traitsOfRequests, type TraitsReader } from '../core/traits';
import type { ErrorClassifier } from '../provider/classify-error';
import { CacheRun } from './cache-run';
import type { CacheRunSettings } from './cache-run-settings';
import { subscribeWhileOpen } from './subscribe-while-open';

/** The config of {@link cacheLLM}. */
export interface CacheConfig<R> extends ResultCacheConfig, KeySpace {
  /**
   * The cache to share; pipelines of different calls need a `namespace` each, or they get each other's answers. Default:
   * one that each subscription makes for itself from the other fields.
   */
  readonly cache?: LLMResultCache | undefined;
  /** Whether outcomes keep the order of the source. Default false: they come as they are ready. */
  readonly ordered?: boolean | undefined;
  /** Milliseconds a request may wait for the start of its call. Default `Infinity`; its own `maxWait` may be shorter. */
  readonly maxWait?: number | undefined;
  /** Reads the traits of a request. Default: its own fields named like traits, where their values are valid. */
  readonly traits?: TraitsReader<R> | undefined;
  /** What an error of a call means: refusals are never kept. Default: `classifyError`. */
  readonly classifyError?: ErrorClassifier | undefined;
  /** Hears what happens to every request. */
  readonly events?: CallEventListener | undefined;
}

/**
 * Answers requests from a cache, and sends only the misses through the pipeline that makes the calls: hits never wait
 * for pace or slots, and requests with one key that run at the same time share one call, across all pipelines that
 * share the cache.
 *
 * A waiter that leaves disturbs nobody; when the last one leaves, the call is aborted. Errors and answers that are
 * empty, cut off or refused are not kept. A pipeline for misses that ends without an outcome for a request fails it
 * with `MissingOutcomeError`.
 *
 * ```
 * requests  a---a---b---a---|
 * misses$   a-------b-------|
 * call a    ----(A|)
 * call b            ----(B|)
 * outcomes  ----(AA)----(AB)|      (the second a shares the call of the first, the third is a hit)
 * ```
 *
 * @example
 * news$.pipe(
 *   cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(callModel, { maxConcurrent: 3, limiter })), cache),
 * );
 *
 * @param misses makes outcomes of the requests that the cache cannot answer
 * @param config a cache to share, or how to make one
 * @throws TypeError or RangeError for a config that names a wrong value
 */
export function cacheLLM<R, V>(
  misses: (misses$: Observable<R>) => Observable<CallOutcome<R, V>>,
  config?: LLMResultCache | CacheConfig<R>,
): OperatorFunction<R, CallOutcome<R, V>> {
  requiredFunction('misses', misses);
  const settings: CacheConfig<R> =
    config instanceof LLMResultCache ? { cache: config } : configObject('cacheLLM', config);
  if (settings.cache !== undefined && !(settings.cache instanceof LLMResultCache)) {
    throw new TypeError('cache must be an LLMResultCache.');
  }
  if (!settings.cache) {
    // Throws now rather than at the first subscription.
    new LLMResultCache(settings).close();
  }
  const traits = traitsOfRequests(functionSetting('traits', settings.traits));
  const checked = {
    misses,
    keys: new RequestKeys<R>(settings, traits),
    ordered: switchSetting('ordered', settings.ordered, false),
    maxWait: numberSetting('maxWait', settings.maxWait, Infinity, { infinite: true }),
    traits: traits.read,
    events: guarded(listenerSetting('events', settings.events)),
    classify: functionSetting('classifyError', settings.classifyError),
  };
  return cacheBySettings(() => {
    const cache = settings.cache ?? new LLMResultCache(settings);
    return { ...checked, cache, isOwnCache: !settings.cache, clock: cache[internalsOf].clock };
  });
}

/** The operator behind {@link cacheLLM}, by settings that were checked; `opened` is given each run. */
export function cacheBySettings<R, V>(
  settings: () => CacheRunSettings<R, V>,
  opened?: (run: CacheRun<R, V>) => () => void,
): OperatorFunction<R, CallOutcome<R, V>> {
  return (source) =>
    new Observable((destination) => {
      const run = new CacheRun(settings(), destination);
      destination.add(opened?.(run));
      subscribeWhileOpen(source, destination, run);
    });
}
