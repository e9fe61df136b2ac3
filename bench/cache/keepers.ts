import { LRUCache } from 'lru-cache';
import { from, of } from 'rxjs';
import { cacheLLM, LLMResultCache, mergeWithConcurrency } from '../../lib/index';

/** Answers that each cache keeps. */
export const entries = 1_000;
const answerBytes = 1_024;
const hour = 3_600_000;

/** What goes into one cache. */
export interface Contents {
  readonly keys: readonly string[];
  readonly values: readonly unknown[];
}

/** Something that keeps answers. */
export interface Keeper {
  readonly name: string;
  readonly valueOf: (number: number) => unknown;
  /** Makes a cache, fills it, and returns it. */
  readonly fill: (contents: Contents) => unknown;
  /** Whether the bounds are meant for it. */
  readonly isJudged?: boolean;
}

/** Bytes a kept answer takes. */
export interface Footprint {
  /** Key and value. */
  readonly contents: number;
  /** All else. */
  readonly structure: number;
}

export const keepers: readonly Keeper[] = [
  { name: 'rxllm, texts', valueOf: textOf, fill: fillResultCache, isJudged: true },
  { name: 'rxllm, chat completions', valueOf: completionOf, fill: fillResultCache, isJudged: true },
  { name: 'rxllm, texts, kept by `cacheLLM`', valueOf: textOf, fill: fillByStream, isJudged: true },
  {
    name: 'lru-cache with a TTL, texts',
    valueOf: textOf,
    fill: ({ keys, values }) => {
      const lru = new LRUCache<string, string>({ max: entries, ttl: hour });
      keys.forEach((key, index) => lru.set(key, values[index] as string));
      return lru;
    },
  },
  {
    name: 'Map, texts',
    valueOf: textOf,
    fill: ({ keys, values }) => new Map(keys.map((key, index) => [key, values[index]])),
  },
];

/** In one piece, as it comes off a wire. */
function textOf(number: number): string {
  const text = `Answer ${number}: `.padEnd(
    answerBytes,
    'What the story means for those who hold the share. ',
  );
  return Buffer.from(text, 'latin1').toString('latin1');
}

function completionOf(number: number): unknown {
  const completion = (content: string) => ({
    id: `chatcmpl-${String(number).padStart(29, 'x')}`,
    object: 'chat.completion',
    created: 1_763_900_000 + number,
    model: 'gpt-4o-mini-2024-07-18',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 210, completion_tokens: 160, total_tokens: 370 },
  });
  const content = textOf(number).slice(0, answerBytes - JSON.stringify(completion('')).length);
  return JSON.parse(JSON.stringify(completion(content)));
}

function fillResultCache({ keys, values }: Contents) {
  const cache = new LLMResultCache({ maxSize: entries });
  keys.forEach((key, index) => cache.set(key, values[index]));
  return cache;
}

function fillByStream({ keys, values }: Contents) {
  const cache = new LLMResultCache({ maxSize: entries });
  const indexOf = new Map(keys.map((key, index) => [key, index]));
  from(keys.map((cacheKey) => ({ cacheKey })))
    .pipe(
      cacheLLM(
        (misses$) => misses$.pipe(mergeWithConcurrency(({ cacheKey }) => of(values[indexOf.get(cacheKey)!]))),
        cache,
      ),
    )
    .subscribe();
  if (cache.stats.size !== keys.length) throw new Error(`Only ${cache.stats.size} answers were kept.`);
  return cache;
}
