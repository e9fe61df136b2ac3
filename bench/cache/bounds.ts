import type { Verdict } from './section';

/** What rxllm's cache has to keep. */
export const bounds = {
  /** Microseconds that a hit through `cacheLLM`, its key given, may take over a bare `get` of lru-cache. */
  hitOverhead: 1.5,
  /** Times that making a key may take over stringifying with sorted fields and SHA-256. */
  keyRatio: 1.3,
  /** Bytes an entry may take besides its key and its value. */
  structure: 200,
  /** Megabytes that 1,000 answers of 1 KB may take. */
  thousandAnswers: 1.5,
} as const;

/** Hit rates, in per cent, that an LRU cache of so many entries is known to have on a trace. */
export const knownRates: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  cache2k_web07: { 100: '33.4', 1_000: '50.4', 5_000: '62.7' },
};

/** A figure that may not lie above a bound; one that is no number misses it. */
export function atMost(what: string, value: number, bound: number, digits: number, unit: string): Verdict {
  return {
    what,
    measured: `${value.toFixed(digits)} ${unit}`,
    bound: `at most ${bound.toLocaleString('en')} ${unit}`,
    isKept: value <= bound,
  };
}

/** A figure that must be just this, as it is printed. */
export function exactly(what: string, measured: string, bound: string): Verdict {
  return { what, measured, bound, isKept: measured === bound };
}
