/** What rxllm's cache has to keep. */
export const bounds = {
  /** Microseconds that a hit through `cacheLLM`, its key given, may take over a bare `get` of lru-cache. */
  hitOverhead: 5,
  /** Times that making a key may take over stringifying with sorted fields and SHA-256. */
  keyRatio: 1.5,
  /** Bytes an entry may take besides its key and its value. */
  structure: 300,
  /** Megabytes that 1,000 answers of 1 KB may take. */
  thousandAnswers: 1.5,
} as const;

/** Hit rates, in per cent, that an LRU cache of so many entries is known to have on a trace. */
export const knownRates: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  cache2k_web07: { 100: '33.4', 1_000: '50.4', 5_000: '62.7' },
};
