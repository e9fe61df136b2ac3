import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { streamWithConcurrency } from '../../lib/operators/stream-with-concurrency';
import { AsyncLLMExecutor } from '../../lib/optimizer/async-llm-executor';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { CallStats } from '../../lib/stats/call-stats';

/** As JavaScript writes it, without a compiler to tell. */
const wrong = (config: object) => config as never;
const call = () => Promise.resolve({});
const streamCall = { open: () => [], collect: () => '' };

describe('a field that a config does not have', () => {
  it.each<[string, () => unknown, string]>([
    ['LLMCallOptimizer', () => new LLMCallOptimizer(wrong({ maxConcurent: 3 })), 'maxConcurrent'],
    ['its retry', () => new LLMCallOptimizer(wrong({ retry: { atempts: 3 } })), 'attempts'],
    [
      'its limits',
      () => new LLMCallOptimizer(wrong({ limits: { requestPerMinute: 3 } })),
      'requestsPerMinute',
    ],
    ['its cache', () => new LLMCallOptimizer(wrong({ cache: { maxsize: 3 } })), 'maxSize'],
    ['AsyncLLMExecutor', () => new AsyncLLMExecutor(wrong({ maxConcurent: 3 })), 'maxConcurrent'],
    ['AdaptiveRateLimiter', () => new AdaptiveRateLimiter(wrong({ baseIntervall: 3 })), 'baseInterval'],
    ['LLMResultCache', () => new LLMResultCache(wrong({ ttlJiter: 0 })), 'ttlJitter'],
    ['CallStats', () => new CallStats(wrong({ sampelInterval: 3 })), 'sampleInterval'],
    ['adaptiveThrottle', () => adaptiveThrottle({}, wrong({ maxwait: 3 })), 'maxWait'],
    ['cacheLLM', () => cacheLLM((misses$) => misses$ as never, wrong({ orderd: true })), 'ordered'],
    ['mergeWithConcurrency', () => mergeWithConcurrency(call, wrong({ timout: 3 })), 'timeout'],
    [
      'streamWithConcurrency',
      () => streamWithConcurrency(streamCall, wrong({ firstChunkTimout: 3 })),
      'firstChunkTimeout',
    ],
  ])('is refused by %s, with the nearest right one', (_name, make, nearest) => {
    expect(make).toThrow(TypeError);
    expect(make).toThrow(`Did you mean '${nearest}'?`);
  });

  it('may be undefined', () => {
    expect(() => new LLMCallOptimizer(wrong({ later: undefined }))).not.toThrow();
  });
});

describe('a signal that is none', () => {
  it('is refused by name', () => {
    const optimizer = new LLMCallOptimizer();
    expect(() => optimizer.drain(wrong({ signal: 5 }))).toThrow('signal must be an AbortSignal.');
    optimizer.close();
  });
});
