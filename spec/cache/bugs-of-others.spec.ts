/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import {
  concat,
  from,
  ignoreElements,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  tap,
  throwError,
  timer,
} from 'rxjs';
import { internalsOf, LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { CallContext, CallOutcome, TokenUsage } from '../../lib/core/call';
import type { CallEvent } from '../../lib/core/events';
import type { CallTraits } from '../../lib/core/traits';
import { cacheLLM, type CacheConfig } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';
import { SlowStore } from './slow-store';

/** One cache in virtual time, calls that are counted, and what came of the requests. */
class Scene<R, V> {
  readonly cache: LLMResultCache;
  readonly requests: R[] = [];
  readonly signals: AbortSignal[] = [];
  readonly outcomes: CallOutcome<R, V>[] = [];
  readonly events: CallEvent[] = [];
  readonly #call: (request: R, context: CallContext) => Observable<V>;
  readonly #config: Omit<CacheConfig<R>, 'cache'>;

  constructor(
    readonly scheduler: WatchedTestScheduler,
    call: (request: R, context: CallContext) => Observable<V>,
    { cache, ...config }: Omit<CacheConfig<R>, 'cache'> & { readonly cache?: ResultCacheConfig } = {},
  ) {
    this.cache = new LLMResultCache({ scheduler, ...cache });
    this.#call = call;
    this.#config = config;
  }

  /** Asks, and notes the outcomes; `maxConcurrent` is of this stream. */
  ask(requests$: Observable<R>, more: Omit<CacheConfig<R>, 'cache'> = {}, maxConcurrent = Infinity) {
    return requests$
      .pipe(
        cacheLLM(
          (misses$) =>
            misses$.pipe(
              mergeWithConcurrency(
                (request: R, context) => {
                  this.requests.push(request);
                  this.signals.push(context.signal);
                  return this.#call(request, context);
                },
                { maxConcurrent },
              ),
            ),
          {
            ...this.#config,
            ...more,
            cache: this.cache,
            events: { next: (event) => this.events.push(event) },
          },
        ),
      )
      .subscribe((outcome) => this.outcomes.push(outcome));
  }

  /** What the requests were answered with, failures by their error. */
  get values(): unknown[] {
    return this.outcomes.map((outcome) => (outcome.ok ? outcome.value : outcome.error));
  }

  get sources(): string[] {
    return this.outcomes.map((outcome) => (outcome.ok ? outcome.source : 'failed'));
  }
}

/** Runs a scene for 10 seconds of virtual time, and checks what came of it. */
function play<R, V>(
  call: (request: R, context: CallContext) => Observable<V>,
  act: (scene: Scene<R, V>) => void,
  check: (scene: Scene<R, V>) => void,
  config: ConstructorParameters<typeof Scene<R, V>>[2] = {},
): void {
  const scene = inVirtualTime((scheduler) => {
    const one = new Scene(scheduler, call, config);
    act(one);
    timer(10_000).subscribe();
    return one;
  });
  check(scene);
}

const after = <V>(time: number, value: V) => timer(time).pipe(map(() => value));
const key = (request: unknown) => LLMResultCache.generateKey(request);

interface Prompt extends CallTraits {
  readonly prompt: string;
}

class Tool {
  readonly name = 'tool';
}

const completion = (content: string | null, finish_reason: string) => ({
  choices: [{ finish_reason, message: { role: 'assistant', content } }],
});

describe('unlike other caches, this one has', () => {
  describe('no wrong hits:', () => {
    const withImage = (url: string) => ({
      model: 'm',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url } },
          ],
        },
      ],
    });

    it('messages that differ in an image alone do not collide (LangChain.js #10092, #6024)', () => {
      play(
        (request: unknown) => of(JSON.stringify(request).includes('cat') ? 'a cat' : 'a dog'),
        (scene) => scene.ask(from([withImage('cat.png'), withImage('dog.png'), withImage('cat.png')])),
        ({ values, sources }) => {
          expect(values).toEqual(['a cat', 'a dog', 'a cat']);
          expect(sources).toEqual(['call', 'call', 'cache']);
        },
      );
      const bytes = (...data: number[]) => ({ prompt: 'What is this?', image: new Uint8Array(data) });
      expect(key(bytes(1, 2))).not.toBe(key(bytes(1, 3)));
    });

    it('200,000 support tickets have 200,000 keys of 256 bits (cacheable #742, #743; axios-cache-interceptor #795)', () => {
      const prompts = (number: number) =>
        `Summarize support ticket #${number} for customer ${number % 977} in one sentence.`;
      const keys = new Set<string>();
      for (let number = 0; number < 200_000; number++) {
        keys.add(key(prompts(number)));
      }
      expect(keys.size).toBe(200_000);
      expect(key(prompts(149_983))).not.toBe(key(prompts(195_966)));
      expect(key(prompts(1))).toMatch(/^v1:[0-9a-f]{64}$/);
    });

    it('two calls over one cache are apart by their namespaces, however these are written (cacheable #742)', () => {
      const cache = new LLMResultCache();
      const keys = [
        cache.keyOf({ cacheKey: 'c' }, { namespace: 'a:b' }),
        cache.keyOf({ cacheKey: 'b:c' }, { namespace: 'a' }),
        cache.keyOf({ cacheKey: 'c' }, { namespace: 'a', version: 'b' }),
        cache.keyOf({ cacheKey: 'c', cacheScope: 'b' }, { namespace: 'a' }),
        cache.keyOf({ cacheKey: cache.keyOf({ cacheKey: 'c' }, { namespace: 'a:b' })! }),
      ];
      expect(new Set(keys).size).toBe(keys.length);
    });

    it('{a, b} and {b, a} are one request (cacheable 2.5)', () => {
      expect(key({ a: 1, b: { c: 2, d: 3 } })).toBe(key({ b: { d: 3, c: 2 }, a: 1 }));
    });

    it('a parameter it does not know is part of the key (LiteLLM #42400, num_ctx)', () => {
      const request = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
      expect(key({ ...request, num_ctx: 2048 })).not.toBe(key({ ...request, num_ctx: 8192 }));
      expect(key({ ...request, extra_body: { options: { num_ctx: 1 } } })).not.toBe(
        key({ ...request, extra_body: { options: { num_ctx: 2 } } }),
      );
    });

    it('tenants that ask the same are apart by their scope (LiteLLM #29955, OmniRoute #3740)', () => {
      const ask = (cacheScope: string): Prompt => ({ prompt: 'my balance?', cacheScope });
      play(
        ({ cacheScope }: Prompt) => of(`the balance of ${cacheScope}`),
        (scene) => scene.ask(from([ask('one'), ask('other'), ask('one')])),
        ({ values, sources }) => {
          expect(values).toEqual(['the balance of one', 'the balance of other', 'the balance of one']);
          expect(sources).toEqual(['call', 'call', 'cache']);
        },
      );
    });

    it('another model, schema, tool, seed or version of the template is another key (opensanctions #4956, LightRAG #945)', () => {
      const request = {
        model: 'm',
        messages: [{ role: 'user', content: 'hi' }],
        seed: 1,
        tools: [{ name: 'a' }],
      };
      const keys = [
        request,
        { ...request, model: 'm2' },
        { ...request, seed: 2 },
        { ...request, tools: [{ name: 'b' }] },
        { ...request, response_format: { type: 'json_object' } },
      ].map(key);
      const cache = new LLMResultCache();
      keys.push(cache.keyOf(request, { version: '2' })!);
      expect(new Set(keys).size).toBe(keys.length);
    });

    it('an absent temperature is neither 0 nor null (OrcaRouter-Lite #84, lobster #130)', () => {
      const request = { model: 'm', prompt: 'hi' };
      const keys = [
        request,
        { ...request, temperature: 0 },
        { ...request, temperature: null },
        { ...request, temperature: 1 },
      ];
      expect(new Set(keys.map(key)).size).toBe(4);
    });

    it('a question and its opposite share nothing (GPTCache #694, vLLM #2691: semantic hits)', () => {
      expect(key('Is gold falling?')).not.toBe(key('Is gold not falling?'));
      expect(key('Is gold falling?')).not.toBe(key('Is gold falling? '));
      // Composed and decomposed letters look the same, but are not for a tokenizer.
      expect(key('caf\u00e9')).not.toBe(key('cafe\u0301'));
    });

    it('Map, Set, bytes, dates, expressions, NaN and bigints are told apart (fast-json-stable-stringify: all "{}" or null)', () => {
      const values = [
        {},
        null,
        [],
        new Map([['a', 1]]),
        new Map([['a', 2]]),
        new Set(['a']),
        new Set(['b']),
        new Uint8Array([1]),
        new Uint8Array([2]),
        new Uint8Array([1]).buffer,
        /a/,
        /b/,
        new Date(0),
        new Date(1),
        NaN,
        Infinity,
        1n,
        2n,
        1,
        '1',
        [undefined],
        [null],
      ];
      expect(new Set(values.map((value) => key({ value }))).size).toBe(values.length);
    });

    it.each([
      ['an error', new RangeError('a')],
      ['a signal', new AbortController().signal],
      ['a blob', new Blob(['a'])],
      ['a function', () => 1],
      ['a class instance', new Tool()],
    ])(
      '%s in a request is refused, not taken for "{}": the request goes past the cache and says where',
      (_what, value) => {
        play(
          () => of('answer'),
          (scene) => scene.ask(from([{ options: { value } }, { options: { value } }])),
          ({ requests, sources, events, cache }) => {
            expect(requests).toHaveLength(2);
            expect(sources).toEqual(['call', 'call']);
            expect(events.filter(({ type }) => type === 'cache-bypassed')).toMatchObject([
              { path: 'request.options.value' },
              { path: 'request.options.value' },
            ]);
            expect(cache.stats).toMatchObject({ size: 0, totalAccesses: 0 });
          },
        );
      },
    );

    it('a cycle and 20,000 levels go past the cache and do not overflow the stack (fast-json-stable-stringify)', () => {
      const cycle: Record<string, unknown> = {};
      cycle['self'] = cycle;
      let deep: unknown = 1;
      for (let level = 0; level < 20_000; level++) {
        deep = [deep];
      }
      play(
        () => of('answer'),
        (scene) => scene.ask(from<unknown[]>([cycle, { deep }])),
        ({ values, events }) => {
          expect(values).toEqual(['answer', 'answer']);
          expect(events.filter(({ type }) => type === 'cache-bypassed')).toHaveLength(2);
        },
      );
    });

    it('`__proto__` and `constructor` are keys like any other, kept and in flight (ocache)', () => {
      const ask = (cacheKey: string) => ({ prompt: 'p', cacheKey });
      play(
        ({ cacheKey }: Prompt) => after(5, `of ${String(cacheKey)}`),
        (scene) => {
          scene.ask(from(['__proto__', 'constructor', '__proto__'].map(ask)));
          timer(10).subscribe(() => scene.ask(from(['__proto__', 'toString'].map(ask))));
        },
        ({ outcomes, requests }) => {
          expect(requests).toHaveLength(3);
          for (const { request, ...outcome } of outcomes) {
            expect(outcome).toMatchObject({ ok: true, value: `of ${String(request.cacheKey)}` });
          }
        },
      );
    });

    it('a truncated answer at temperature 0 is not served at 1.5 with tools, nor at all (AI SDK recipe)', () => {
      const request = { model: 'm', prompt: 'hi', temperature: 0, max_tokens: 5 };
      const asked = [request, { ...request, temperature: 1.5, tools: [{ name: 'a' }] }, request];
      play(
        () => of({ text: 'half an ans', finishReason: 'length', usage: { outputTokens: 5 } }),
        (scene) => scene.ask(from<object[]>(asked)),
        ({ requests, sources }) => {
          expect(requests).toHaveLength(3);
          expect(sources).toEqual(['call', 'call', 'call']);
        },
      );
    });
  });

  describe('no needless misses:', () => {
    it('headers, signal, timeout and retries are no part of the key (AI SDK recipe)', () => {
      const request = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
      const steered = {
        ...request,
        headers: { 'user-agent': 'sdk/7.0.173', traceparent: '00-1-1-01' },
        signal: new AbortController().signal,
        timeout: 5000,
        maxRetries: 2,
      };
      expect(key(steered)).toBe(key(request));
    });

    it('an answer at any temperature is kept, not at 0 alone (OmniRoute #1817)', () => {
      play(
        () => of('answer'),
        (scene) =>
          scene.ask(
            from([
              { prompt: 'p', temperature: 1.5 },
              { prompt: 'p', temperature: 1.5 },
            ]),
          ),
        ({ sources }) => expect(sources).toEqual(['call', 'cache']),
      );
    });

    it('a streamed answer is kept when it is whole, and never half of it (LangChain.js #3582, LiteLLM #24579)', () => {
      const parts = ['Gold', 'Gold rose', 'Gold rose.'];
      const streaming = () => from(parts).pipe(mergeMap((part, index) => after(10 * (index + 1), part)));
      play(
        streaming,
        (scene) => {
          const leaving = scene.ask(of('p'));
          timer(15).subscribe(() => leaving.unsubscribe());
          timer(16).subscribe(() => expect(scene.cache.stats.size).toBe(0));
          timer(20).subscribe(() => scene.ask(of('p')));
          timer(100).subscribe(() => scene.ask(of('p')));
        },
        ({ values, sources, requests }) => {
          expect(requests).toHaveLength(2);
          expect(values).toEqual(['Gold rose.', 'Gold rose.']);
          expect(sources).toEqual(['call', 'cache']);
        },
      );
      play(
        () =>
          concat(
            of('Gold rose by'),
            throwError(() => new Error('connection lost')),
          ),
        (scene) => scene.ask(of('p')),
        ({ cache, sources }) => {
          expect(sources).toEqual(['failed']);
          expect(cache.stats.size).toBe(0);
        },
      );
    });
  });

  describe('one call for all who ask at once:', () => {
    it.each([4, 100])(
      '%i concurrent requests make one call (cacheable #888, #977; LangChain.js; AI SDK recipe)',
      (count) => {
        play(
          (request: string) => after(10, request),
          (scene) => {
            for (let one = 0; one < count; one++) {
              scene.ask(of('p'));
            }
          },
          ({ requests, values }) => {
            expect(requests).toHaveLength(1);
            expect(values).toEqual(Array.from({ length: count }, () => 'p'));
          },
        );
      },
    );

    it('and so do those that come when the answer has just expired (stampede at expiry)', () => {
      play(
        (request: string) => after(10, request),
        (scene) => {
          scene.ask(of('p'));
          timer(60).subscribe(() => {
            for (let one = 0; one < 100; one++) {
              scene.ask(of('p'));
            }
          });
        },
        ({ requests, outcomes }) => {
          expect(requests).toHaveLength(2);
          expect(outcomes).toHaveLength(101);
        },
        { cache: { defaultTtl: 50 } },
      );
    });

    it('answers stored together need not expire together (Vattani et al.: stampede prevention)', () => {
      inVirtualTime((scheduler) => {
        const random = (() => {
          let chance = 0;
          return () => (chance = (chance + 0.1) % 1);
        })();
        const cache = new LLMResultCache({ scheduler, defaultTtl: 1000, ttlJitter: 0.5, random });
        const names = Array.from({ length: 9 }, (_, index) => `k${index}`);
        names.forEach((name) => cache.set(name, 1));
        const kept = () => names.filter((name) => cache.get(name) !== undefined).length;
        const seen: number[] = [];
        for (const time of [499, 700, 999, 1000]) {
          timer(time).subscribe(() => seen.push(kept()));
        }
        timer(1001).subscribe(() => expect(seen).toEqual([9, 5, 0, 0]));
      });
      expect.assertions(1);
    });

    it('an aborted leader does not fail innocent waiters (lru-cache fetch, hypequery #401, unkey #7117)', () => {
      play(
        (request: string) => after(100, request),
        (scene) => {
          const leader = scene.ask(of('p'));
          scene.ask(of('p'));
          timer(10).subscribe(() => leader.unsubscribe());
        },
        ({ requests, values, signals }) => {
          expect(requests).toHaveLength(1);
          expect(values).toEqual(['p']);
          expect(signals[0]!.aborted).toBe(false);
        },
      );
    });

    it('a follower that is aborted has its answer at once: that it left (lru-cache fetch waits all of the 101 ms)', async () => {
      const optimizer = new LLMCallOptimizer({ enableRateLimit: false });
      const controller = new AbortController();
      const leader = optimizer.call(() => NEVER, 'p');
      const follower = optimizer.call(() => NEVER, 'p', { signal: controller.signal });
      const reason = new Error('the user went away');
      controller.abort(reason);
      await expect(follower).rejects.toBe(reason);
      expect(optimizer.getStats().executor.active).toBe(1);
      optimizer.close();
      await expect(leader).rejects.toMatchObject({ name: 'ClosedError' });
    });

    it('when the last one leaves, the call is aborted (TanStack Query #9798, #3045; RxJS shareReplay #3336, #5931)', () => {
      play(
        () => NEVER,
        (scene) => {
          const all = [scene.ask(of('p')), scene.ask(of('p'))];
          timer(10).subscribe(() => all[0]!.unsubscribe());
          timer(11).subscribe(() => expect(scene.signals[0]!.aborted).toBe(false));
          timer(20).subscribe(() => all[1]!.unsubscribe());
          timer(20).subscribe(() => expect(scene.signals[0]!.aborted).toBe(true));
        },
        ({ cache }) => expect(cache[internalsOf].flights.all()).toEqual([]),
      );
    });

    it('an eviction does not abort what is in flight: maxSize 2, four at once (lru-cache #320)', () => {
      play(
        (request: string) => after(10, request.toUpperCase()),
        (scene) => scene.ask(from(['a', 'b', 'c', 'd'])),
        ({ values, cache }) => {
          expect(values).toEqual(['A', 'B', 'C', 'D']);
          expect(cache.stats.size).toBe(2);
        },
        { cache: { maxSize: 2 } },
      );
    });

    it('no-cache goes past the running call, too (promptfoo #8643)', () => {
      play(
        (request: Prompt) => after(10, request),
        (scene) =>
          scene.ask(
            from<Prompt[]>([
              { prompt: 'p' },
              { prompt: 'p', cacheKey: false },
              { prompt: 'p', bypass: { lookUp: true, sharing: true } },
            ]),
          ),
        ({ requests, sources }) => {
          expect(requests).toHaveLength(3);
          expect(sources).toEqual(['call', 'call', 'call']);
        },
      );
    });

    it('a call that hangs does not hang its key for ever (ocache maxResolveTime)', () => {
      let calls = 0;
      play(
        () => (calls++ === 0 ? NEVER : of('answer')),
        (scene) => {
          scene.ask(of('p'));
          scene.ask(of('p'));
          timer(31_000).subscribe(() => scene.ask(of('p')));
        },
        ({ values, signals }) => {
          expect(values).toMatchObject([
            { name: 'CallTimeoutError' },
            { name: 'CallTimeoutError' },
            'answer',
          ]);
          expect(signals[0]!.aborted).toBe(true);
        },
        { cache: { sharedCallTimeout: 30_000 } },
      );
    });
  });

  describe('no lost or mixed-up answers:', () => {
    it('a batch of hits and misses gives every answer, each to its own request (LangChain.js generate, LiteLLM #41799)', () => {
      play(
        (request: string) => after(10, `vector of ${request}`),
        (scene) => {
          scene.ask(of('B'));
          timer(50).subscribe(() => scene.ask(from(['A', 'B', 'C', 'B', 'A']), { ordered: true }));
        },
        ({ outcomes, requests }) => {
          expect(requests).toEqual(['B', 'A', 'C']);
          expect(outcomes.slice(1).map(({ request }) => request)).toEqual(['A', 'B', 'C', 'B', 'A']);
          for (const outcome of outcomes) {
            expect(outcome).toMatchObject({ ok: true, value: `vector of ${outcome.request}` });
          }
        },
      );
    });

    it('an error is an error, not undefined (cacheable #1554)', () => {
      const error = new Error('the provider said no');
      play(
        () => throwError(() => error),
        (scene) => scene.ask(from(['p', 'p'])),
        ({ values, requests }) => {
          expect(values).toEqual([error, error]);
          expect(requests).toHaveLength(2);
        },
      );
    });

    it('what is renewed in the background is not lost when whoever caused it leaves, and its failure harms nobody (lru-cache #388, #389)', () => {
      let calls = 0;
      play(
        () =>
          ++calls === 2
            ? timer(10).pipe(mergeMap(() => throwError(() => new Error('down'))))
            : after(10, calls),
        (scene) => {
          scene.ask(of('p'));
          for (const time of [70, 1_090]) {
            timer(time).subscribe(() => scene.ask(of('p')).unsubscribe());
          }
          timer(1_110).subscribe(() => scene.ask(of('p')));
        },
        ({ values, sources }) => {
          expect(values).toEqual([1, 1, 1, 3]);
          expect(sources).toEqual(['call', 'stale', 'stale', 'cache']);
        },
        { cache: { defaultTtl: 50, staleWhileRevalidate: 5_000 } },
      );
    });

    it('a hit is the whole answer: tool calls, reasoning, finish reason, dates, undefined (LiteLLM #32068, #11145)', () => {
      const answer = {
        id: 'r1',
        timestamp: new Date(0),
        reasoning: 'because',
        text: undefined,
        content: [{ type: 'tool-call', toolName: 'price', input: { metal: 'gold', at: NaN } }],
        finishReason: 'tool-calls',
        usage: { inputTokens: 10, outputTokens: 5 },
      };
      for (const store of [undefined, new SlowStore(1)]) {
        play(
          () => of(answer),
          (scene) => {
            scene.ask(of('p'));
            timer(5).subscribe(() => {
              // As after a restart.
              const cache = new LLMResultCache({ scheduler: scene.scheduler, ...(store && { store }) });
              of('p')
                .pipe(
                  cacheLLM(
                    (misses$: Observable<string>) => misses$.pipe(mergeWithConcurrency(() => of(answer))),
                    store ? { cache } : { cache: scene.cache },
                  ),
                )
                .subscribe((outcome) => scene.outcomes.push(outcome));
            });
          },
          ({ values, sources }) => {
            expect(sources).toEqual(['call', 'cache']);
            expect(values[1]).toStrictEqual(answer);
          },
          store ? { cache: { store } } : {},
        );
      }
    });

    it('changing a first answer, or a hit, changes nobody else’s (cacheable; lru-cache: by reference)', () => {
      play(
        () => of({ labels: ['x'], usage: { total: 10 } }),
        (scene) => {
          scene.ask(of('p'));
          const [answer] = scene.values as { labels: string[]; usage: { total: number } }[];
          expect(() => answer!.labels.push('y')).toThrow(TypeError);
          expect(() => (answer!.usage.total = 0)).toThrow(TypeError);
          scene.ask(of('p'));
        },
        ({ values }) => expect(values[1]).toEqual({ labels: ['x'], usage: { total: 10 } }),
      );
    });

    it('a hit does not zero the usage of the first caller’s answer (LangChain.js)', () => {
      play(
        () => of({ text: 'hi', usage_metadata: { total_tokens: 10 } }),
        (scene) => scene.ask(from(['p', 'p'])),
        ({ values }) => {
          expect(values).toEqual([
            { text: 'hi', usage_metadata: { total_tokens: 10 } },
            { text: 'hi', usage_metadata: { total_tokens: 10 } },
          ]);
        },
      );
    });

    it('the n-th answer to one prompt can be asked for (promptfoo #360, #1431)', () => {
      let calls = 0;
      play(
        () => of(++calls),
        (scene) => scene.ask(from([0, 1, 2, 1].map((sample): Prompt => ({ prompt: 'p', sample })))),
        ({ values }) => expect(values).toEqual([1, 2, 3, 2]),
      );
    });
  });

  describe('no answers kept that should not be:', () => {
    it.each([
      ['a truncated answer (LightRAG #3446, OmniRoute #12885)', completion('half', 'length')],
      ['an empty answer (LiteLLM)', completion('', 'stop')],
      ['an answer without content', completion(null, 'stop')],
      ['nothing', ''],
      ['a filtered answer', completion('...', 'content_filter')],
    ])('%s', (_name, answer: unknown) => {
      play(
        () => of(answer),
        (scene) => scene.ask(from(['p', 'p'])),
        ({ requests, cache }) => {
          expect(requests).toHaveLength(2);
          expect(cache.stats.size).toBe(0);
        },
      );
    });

    it.each([429, 500, 503])(
      'an error with status %i, nor a refusal where failures are kept (Higress #4392)',
      (status) => {
        const refused = status !== 500;
        const error = Object.assign(new Error('no'), { status });
        for (const errorTtl of [0, 1000]) {
          play(
            () => throwError(() => error),
            (scene) => {
              scene.ask(of('p'));
              timer(5).subscribe(() => scene.ask(of('p')));
            },
            ({ requests, values }) => {
              expect(values).toEqual([error, error]);
              expect(requests).toHaveLength(errorTtl === 0 || refused ? 2 : 1);
            },
            { cache: { errorTtl } },
          );
        }
      },
    );

    it.each(['delete', 'clear', 'invalidate'] as const)(
      'what was in flight when its key was purged by %s (ocache, fluxer #2246)',
      (purge) => {
        let version = 0;
        play(
          () => {
            const answer = ++version;
            return after(20, answer);
          },
          (scene) => {
            scene.ask(of('p'));
            timer(10).subscribe(() => {
              if (purge === 'delete') {
                scene.cache.delete(key('p'));
              } else if (purge === 'clear') {
                scene.cache.clear();
              } else {
                scene.cache.invalidate({ prefix: 'v1:' });
              }
              scene.ask(of('p'));
            });
            timer(25).subscribe(() => expect(scene.cache.get(key('p'))).toBeUndefined());
            timer(50).subscribe(() => scene.ask(of('p')));
          },
          ({ values, sources }) => {
            expect(values).toEqual([1, 2, 2]);
            expect(sources).toEqual(['call', 'call', 'cache']);
          },
        );
      },
    );

    it('what was on its way to the store when its key was purged', () => {
      const store = new SlowStore(50);
      play(
        () => of('old'),
        (scene) => {
          scene.ask(of('p'));
          timer(120).subscribe(() => expect(store.texts.size).toBe(1));
          timer(130).subscribe(() => scene.cache.set(key('p'), 'newer'));
          // The write of the newer one is under way.
          timer(140).subscribe(() => scene.cache.delete(key('p')));
        },
        () => expect(store.texts.size).toBe(0),
        { cache: { store } },
      );
    });

    it('invalidated answers: by tag, prefix or what they say (prompt-cache #8)', () => {
      play(
        ({ prompt }: Prompt) => of(prompt),
        (scene) => {
          scene.ask(
            from<Prompt[]>([
              { prompt: 'gold', cacheTags: ['metal'], cacheKey: 'a:gold' },
              { prompt: 'oil', cacheKey: 'a:oil' },
              { prompt: 'rain', cacheKey: 'b:rain' },
              { prompt: 'wheat', cacheKey: 'c:wheat' },
            ]),
          );
          expect(scene.cache.invalidate({ tag: 'metal' })).toBe(1);
          expect(scene.cache.invalidate({ prefix: 'a:' })).toBe(1);
          expect(scene.cache.invalidate({ predicate: ({ value }) => value === 'rain' })).toBe(1);
        },
        ({ cache }) => expect(cache.stats).toMatchObject({ size: 1, evictions: { invalidated: 3 } }),
      );
    });
  });

  describe('bounds:', () => {
    it('what it holds and remembers is bounded, not one entry for ever for each prompt (LangChain.js InMemoryCache, dataloader #13, lru-cache #376)', () => {
      const cache = new LLMResultCache({ maxSize: 100, sweepInterval: Infinity });
      for (let number = 0; number < 10_000; number++) {
        cache.set(`k${number}`, number);
      }
      expect(cache.stats).toMatchObject({ size: 100, evictions: { size: 9900 } });
    });

    it('room for a billion answers takes none before they come (lru-cache #208)', () => {
      const cache = new LLMResultCache({ maxSize: 1_000_000_000, sweepInterval: Infinity });
      cache.set('a', 1);
      expect(cache.get('a')).toBe(1);
    });

    it('answers expire (dataloader #47; RxJS share with a ReplaySubject of 7.8 never does)', () => {
      let calls = 0;
      play(
        () => of(++calls),
        (scene) => {
          for (const time of [0, 99, 100]) {
            timer(time).subscribe(() => scene.ask(of('p')));
          }
        },
        ({ values }) => expect(values).toEqual([1, 1, 2]),
        { cache: { defaultTtl: 100 } },
      );
    });

    it('one timer for all entries, not one each (lru-cache #297, ttlAutopurge), and none without entries', () => {
      jest.useFakeTimers();
      try {
        const cache = new LLMResultCache({ defaultTtl: 1000 });
        for (let number = 0; number < 500; number++) {
          cache.set(`k${number}`, number, { ttl: number + 1 });
        }
        expect(jest.getTimerCount()).toBe(1);
        jest.advanceTimersByTime(60_000);
        expect(cache.stats.size).toBe(0);
        expect(jest.getTimerCount()).toBe(0);
      } finally {
        jest.useRealTimers();
      }
    });

    it('expired answers serve where that is asked for (cacheable #533)', () => {
      let calls = 0;
      play(
        () => (++calls === 1 ? of('old') : throwError(() => new Error('down'))),
        (scene) => {
          for (const time of [0, 60, 200]) {
            timer(time).subscribe(() => scene.ask(of('p')));
          }
        },
        ({ sources }) => expect(sources).toEqual(['call', 'stale', 'failed']),
        { cache: { defaultTtl: 50, staleIfError: 100 } },
      );
    });
  });

  describe('a store that cannot harm:', () => {
    it.each(['rejects', 'throws', 'hangs'] as const)(
      'one that %s fails no call (LiteLLM, agent-cache)',
      (fate) => {
        play(
          (request: number) => after(10, request),
          (scene) => {
            for (let number = 0; number < 10; number++) {
              timer(number * 200).subscribe(() => scene.ask(from([number, number])));
            }
          },
          ({ values, events, cache }) => {
            expect(values).toEqual(Array.from({ length: 20 }, (_, index) => index >> 1));
            expect(events.filter(({ type }) => type === 'settled')).toHaveLength(20);
            expect(cache.stats.store).toMatchObject({ isBypassed: true });
            cache.close();
          },
          { cache: { store: new SlowStore(1, () => fate), storeDeadline: 100 } },
        );
      },
    );
  });

  describe('honest books:', () => {
    it('every outcome says where it came from, and hits and misses are counted (LiteLLM #5401, #18382)', () => {
      play(
        (request: string) => after(10, request),
        (scene) => {
          scene.ask(from(['a', 'a', 'b']));
          timer(20).subscribe(() => scene.ask(from(['a', 'b'])));
        },
        ({ sources, cache, events }) => {
          expect(sources).toEqual(['call', 'shared', 'call', 'cache', 'cache']);
          expect(cache.stats).toMatchObject({ hits: 2, misses: 3, hitRate: 0.4 });
          expect(events.filter(({ type }) => type === 'cache-hit')).toHaveLength(2);
        },
      );
    });

    it('a hit is billed nothing, and what it saved is told apart (OpenRouter; AI SDK recipe bills the original tokens)', () => {
      inVirtualTime((scheduler) => {
        const usage: TokenUsage = { inputTokens: 6, outputTokens: 4, model: 'm' };
        const optimizer = new LLMCallOptimizer({
          scheduler,
          enableRateLimit: false,
          prices: { m: { input: 1_000_000, output: 1_000_000 } },
        });
        const call = (_request: string, { report }: CallContext) =>
          after(50, 'answer').pipe(tap(() => report({ usage })));
        const ask = () => of('p').pipe(optimizer.optimize(call), ignoreElements()).subscribe();
        ask();
        timer(60).subscribe(ask);
        timer(70).subscribe(() => {
          const { metrics } = optimizer.getStats();
          expect(metrics).toMatchObject({ inputTokens: 6, outputTokens: 4, spent: 10 });
          expect(metrics).toMatchObject({ savedTokens: 10, saved: 10, savedLatency: 50 });
          optimizer.close();
        });
      });
      expect.assertions(2);
    });
  });
});
