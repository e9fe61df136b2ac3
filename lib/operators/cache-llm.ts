import { Observable, type OperatorFunction } from 'rxjs';
import { resultCacheConfigOf, resultCacheFields } from '../cache/result-cache-config';
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
  type FieldsOf,
} from '../core/settings';
import { traitsOfRequests, type TraitsReader } from '../core/traits';
import type { ErrorClassifier } from '../provider/classify-error';
import { CacheRun } from './cache-run';
import type { CacheRunSettings } from './cache-run-settings';
import { subscribeWhileOpen } from './subscribe-while-open';

const fields: FieldsOf<CacheConfig<never>> = {
  ...resultCacheFields,
  cache: true,
  ordered: true,
  maxWait: true,
  traits: true,
  classifyError: true,
  namespace: true,
  version: true,
};

/** The config of {@link cacheLLM}. */
export interface CacheConfig<R> extends ResultCacheConfig, KeySpace {
  /**
   * The cache to share. Pipelines of different calls need a `namespace` each, or they get each other's answers.
   * @defaultValue each subscription makes a cache from the other fields
   */
  readonly cache?: LLMResultCache | undefined;
  /** Whether outcomes keep the order of the source. @defaultValue false */
  readonly ordered?: boolean | undefined;
  /**
   * Milliseconds that a request may wait for the start of its call; its own `maxWait` may be shorter.
   * @defaultValue `Infinity`
   */
  readonly maxWait?: number | undefined;
  /** Reads the traits of a request. @defaultValue the request's own fields that are valid traits */
  readonly traits?: TraitsReader<R> | undefined;
  /** Says what the error of a call means: refusals are never kept. @defaultValue `classifyError` */
  readonly classifyError?: ErrorClassifier | undefined;
  /** Receives the events of all requests. @defaultValue none */
  readonly events?: CallEventListener | undefined;
}

/**
 * Answers requests from a cache and sends only the misses through the pipeline that makes the calls. Hits never wait
 * for pace or slots. Concurrent requests with one key share one call, across all pipelines that share the cache.
 *
 * A waiter that leaves does not affect the others; when the last one leaves, the call is aborted. Errors and answers
 * that are empty, cut off or refused are not kept. If the pipeline for misses ends without an outcome for a request,
 * the request fails with `MissingOutcomeError`.
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
 * @param misses makes the outcomes of requests that the cache cannot answer
 * @param config a cache to share, or a config
 * @throws TypeError or RangeError if the config has a wrong value
 */
export function cacheLLM<R, V>(
  misses: (misses$: Observable<R>) => Observable<CallOutcome<R, V>>,
  config?: LLMResultCache | CacheConfig<R>,
): OperatorFunction<R, CallOutcome<R, V>> {
  requiredFunction('misses', misses);
  const settings: CacheConfig<R> =
    config instanceof LLMResultCache ? { cache: config } : configObject('cacheLLM', config, fields);
  if (settings.cache !== undefined && !(settings.cache instanceof LLMResultCache)) {
    throw new TypeError('cache must be an LLMResultCache.');
  }
  const own = resultCacheConfigOf(settings);
  if (!settings.cache) {
    // Throw now rather than at the first subscription.
    new LLMResultCache(own).close();
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
    const cache = settings.cache ?? new LLMResultCache(own);
    return { ...checked, cache, isOwnCache: !settings.cache, clock: cache[internalsOf].clock };
  });
}

/** The operator behind {@link cacheLLM}, with checked settings. `opened` is called with each run. */
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
