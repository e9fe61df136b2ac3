import { InMemoryCache } from '@langchain/core/caches';
import Keyv from 'keyv';
import { LRUCache } from 'lru-cache';
import { from, of } from 'rxjs';
import { cacheLLM, LLMResultCache, mergeWithConcurrency, type CacheConfig } from '../../lib/index';
import { differenceOf } from '../shared/medians';
import type { Effort, SectionReport } from '../shared/section';
import { atMost } from '../shared/verdicts';
import { written } from '../shared/written';
import { bounds } from './bounds';
import { chatRequests } from './chat-requests';
import { timeInTurns, type Contender } from './timing';

const entries = 1_000;
const hour = 3_600_000;

/** So many of the entries are asked for where that takes longer. */
const fewer = 100;

interface KeyedRequest {
  readonly cacheKey: string;
  readonly prompt: string;
}

/** What a hit costs. */
export async function measureHits({ isQuick }: Effort): Promise<SectionReport> {
  const requests = Array.from({ length: entries }, (_, index): KeyedRequest => {
    const prompt = `What does story ${index} mean for those who hold the share?`;
    return { cacheKey: LLMResultCache.generateKey(prompt), prompt };
  });
  const answerOf = ({ prompt }: KeyedRequest) => `An answer to: ${prompt}`;
  const bodies = chatRequests(entries, 800, 2);

  const ofBodies = new LLMResultCache();
  for (const body of bodies) ofBodies.set(LLMResultCache.generateKey(body), 'An answer.');
  const ofKeys = new LLMResultCache();
  for (const request of requests) ofKeys.set(request.cacheKey, answerOf(request));
  const lru = new LRUCache<string, string>({ max: entries, ttl: hour });
  const map = new Map<string, string>();
  const keyv = new Keyv<string>();
  const langchain = new InMemoryCache();
  for (const request of requests) {
    lru.set(request.cacheKey, answerOf(request));
    map.set(request.cacheKey, answerOf(request));
    await keyv.set(request.cacheKey, answerOf(request), hour);
    await langchain.update(request.prompt, 'gpt-4o-mini', [{ text: answerOf(request) }]);
  }

  const heard = { count: 0 };
  const events = { next: () => (heard.count += 1) };
  const contenders = {
    lru: gets('lru-cache, `get`, with a TTL', requests, (key) => lru.get(key)),
    rxllm: streams('rxllm, `cacheLLM`, the key given', requests, { cache: ofKeys }),
    observed: streams('the same, its events heard', requests, { cache: ofKeys, events }),
    byContent: streams('the same, the key made of a request of 0.8 KB', bodies.slice(0, fewer), {
      cache: ofBodies,
    }),
    get: gets('rxllm, `cache.get`', requests, (key) => ofKeys.get(key)),
    map: gets('Map, `get`', requests, (key) => map.get(key)),
    keyv: awaits('Keyv in memory, `await get`', requests.slice(0, fewer), ({ cacheKey }) =>
      keyv.get(cacheKey),
    ),
    langchain: awaits('LangChain `InMemoryCache`, `await lookup`', requests.slice(0, fewer), ({ prompt }) =>
      langchain.lookup(prompt, 'gpt-4o-mini'),
    ),
  };
  const timings = await timeInTurns(
    Object.values(contenders),
    isQuick ? { rounds: 5, samples: 40 } : { rounds: 25, samples: 100 },
  );
  const [bare, rxllm] = timings as [(typeof timings)[0], (typeof timings)[0]];
  ofKeys.close();
  ofBodies.close();
  return {
    title: 'A hit',
    answer:
      `A hit takes ${written(rxllm.microseconds, 2)} µs, ${written(differenceOf(rxllm, bare), 2)} µs more than one of a bare ` +
      'lru-cache.',
    about:
      `${written(entries)} answers are kept, and all are asked for by a synchronous source, in one ` +
      'subscription. A request is an object with a `cacheKey`, nothing is heard of events unless the ' +
      'table says so, and each outcome is counted. All are timed in turns; a figure is the median of the rounds, and ' +
      'so is the difference from lru-cache in the same round.',
    tables: [
      {
        head: ['A hit of', 'µs', 'µs over lru-cache'],
        rows: timings.map((timing) => [
          timing.name,
          written(timing.microseconds, 3),
          timing === bare ? '–' : signed(differenceOf(timing, bare)),
        ]),
      },
    ],
    verdicts: [
      atMost(
        'A hit with a given key, over lru-cache',
        differenceOf(rxllm, bare),
        bounds.hitOverhead,
        2,
        'µs',
      ),
    ],
  };
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${written(value, 3)}`;
}

/** Looks up every key, as often as a stream would. */
function gets(name: string, requests: readonly KeyedRequest[], get: (key: string) => unknown): Contender {
  return {
    name,
    operations: requests.length,
    run: () => {
      let hits = 0;
      for (const { cacheKey } of requests) hits += get(cacheKey) === undefined ? 0 : 1;
      check(name, hits, requests.length);
    },
  };
}

function awaits(
  name: string,
  requests: readonly KeyedRequest[],
  get: (request: KeyedRequest) => Promise<unknown>,
): Contender {
  return {
    name,
    operations: requests.length,
    isAsync: true,
    run: async () => {
      let hits = 0;
      for (const request of requests) hits += (await get(request)) == null ? 0 : 1;
      check(name, hits, requests.length);
    },
  };
}

function streams<R>(name: string, requests: readonly R[], config: CacheConfig<R>): Contender {
  const answered$ = from(requests).pipe(
    cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(() => of('no hit'))), config),
  );
  return {
    name,
    operations: requests.length,
    run: () => {
      let hits = 0;
      // An error would be rethrown by RxJS, and the count be wrong.
      // eslint-disable-next-line rxjs-x/no-ignored-error
      answered$.subscribe((outcome) => (hits += outcome.ok && outcome.source === 'cache' ? 1 : 0));
      check(name, hits, requests.length);
    },
  };
}

function check(name: string, hits: number, asked: number): void {
  if (hits !== asked) throw new Error(`${name}: ${hits} of ${asked} were hits.`);
}
