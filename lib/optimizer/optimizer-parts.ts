import { isObservable } from 'rxjs';
import { internalsOf } from '../cache/llm-result-cache';
import type { CallEventListener } from '../core/events';
import { clockFrom } from '../core/scheduler-clock';
import { choiceSetting, functionSetting, noUnknownFields, numberSetting } from '../core/settings';
import type { TraitsReader } from '../core/traits';
import type { AdaptiveRateLimiter } from '../limiter/adaptive-rate-limiter';
import { AdmissionQueue } from '../limiter/admission-queue';
import { engineOf } from '../limiter/engine-of';
import { oldestSince } from '../limiter/queue-gauges';
import { SlotPool } from '../limiter/slot-pool';
import { answerJudgeOf } from '../operators/answer-verdict';
import { retryConfigOf } from '../operators/merge-with-concurrency';
import { UnknownErrors } from '../operators/unknown-errors';
import { RetryPolicy } from '../provider/retry-policy';
import { CallStats } from '../stats/call-stats';
import { InlineCalls } from './inline-calls';
import { OpenWork } from './open-work';
import { cacheOf, limiterOf, optimizerFields, type OptimizerConfig } from './optimizer-config';
import { bothOf, type OptimizerWork } from './optimizer-work';
import { SpendLimit } from './spend-limit';

interface OptimizerParts {
  readonly limiter: AdaptiveRateLimiter | undefined;
  readonly cache: OptimizerWork['cache'];
  readonly queue: AdmissionQueue;
  readonly pool: SlotPool;
  readonly work: OptimizerWork;
  readonly stats: CallStats;
}

/**
 * Makes the parts of an optimizer.
 *
 * @throws TypeError or RangeError that names the wrong field
 */
export function partsOf(settings: OptimizerConfig, listener: CallEventListener): OptimizerParts {
  noUnknownFields('LLMCallOptimizer', settings, optimizerFields);
  const { scheduler, maxConcurrent, prices, maxSpend, sampleInterval } = settings;
  const classify = functionSetting('classifyError', settings.classifyError);
  const overflow = choiceSetting('overflow', settings.overflow, 'reject', ['reject', 'drop-oldest']);
  const limiter = limiterOf(settings, listener);
  const optimizerCache = cacheOf(settings, listener);
  const { cache } = optimizerCache;
  const engine = limiter?.[engineOf];
  const clock = engine?.clock ?? cache?.[internalsOf].clock ?? clockFrom(scheduler);
  const queue = engine?.queue ?? new AdmissionQueue(clock);
  const retryConfig = retryConfigOf(settings.retry ?? true);
  const retry =
    retryConfig &&
    new RetryPolicy({ ...retryConfig, classifyError: retryConfig.classifyError ?? classify }, clock);
  const spendLimit =
    maxSpend === undefined ? undefined : new SpendLimit(maxSpend, prices, () => queue.giveUpHopeless());
  const pool = new SlotPool(
    isObservable(maxConcurrent)
      ? 3
      : numberSetting('maxConcurrent', maxConcurrent, 3, { min: 1, whole: true, infinite: true }),
    retry?.maxElapsed,
    spendLimit,
  );
  const work: OptimizerWork = {
    ...optimizerCache,
    settings: {
      clock,
      queue,
      sharedPool: pool,
      limiter: engine && { engine, key: limiter, maxQueue: Infinity, overflow },
      retry,
      unknownErrors: new UnknownErrors(),
      ordered: false,
      timeout: numberSetting('timeout', settings.timeout, Infinity, { above: true, infinite: true }),
      maxWait: numberSetting('maxWait', settings.maxWait, Infinity, { infinite: true }),
      maxQueue: numberSetting('maxQueue', settings.maxQueue, Infinity, { whole: true, infinite: true }),
      overflow,
      errorInAnswer: answerJudgeOf(settings.errorInAnswer),
    },
    traits: functionSetting('traits', settings.traits) as TraitsReader<unknown> | undefined,
    classify,
    listener: spendLimit ? bothOf(spendLimit, listener) : listener,
    inlineCalls: new InlineCalls(),
    open: new OpenWork(),
  };
  const stats = new CallStats({
    sampleInterval,
    prices,
    limiter,
    cache,
    executor: () => ({
      active: pool.active,
      queued: queue.waiting + queue.backingOff,
      maxConcurrent: pool.limit,
      ...(maxSpend !== undefined && { maxSpend }),
      oldestWait: Math.max(0, clock.now() - oldestSince(queue.shares)),
    }),
    events: listener,
    scheduler,
  });
  return { limiter, cache, queue, pool, work, stats };
}
