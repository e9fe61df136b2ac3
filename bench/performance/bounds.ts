/** What rxllm has to keep. */
export const bounds = {
  /** Times what a call costs with bare `mergeMap`: 10,000 calls, 3 slots, four priorities, nobody listening. */
  unobserved: 1,
  /** The same, its events heard. */
  observed: 1.25,
  /** Times what a call costs with p-queue and priorities: 100,000 calls, 3 slots, four priorities. */
  besidePQueue: 0.1,
  /** Times what a call costs with bare `mergeMap`: 10,000 calls through the whole optimizer, cache keys given. */
  optimizer: 3,
  /** Times what a call costs with 10,000 waiting when 1,000,000 wait. */
  growth: 1.2,
  /** Bytes that a waiting request takes beyond itself. */
  waitingRequest: 48,
  /** Times the heap after the first tenth of the soak that it may be at the end. */
  soak: 1.05,
  /** Parts of n that n slots must be faster by. */
  batch: 0.95,
  /** Times that a cached answer must be faster than a call of 50 ms. */
  cachedAnswer: 1_000,
  /** Megabytes that 1,000 answers of 1 KB may take. */
  thousandAnswers: 1.5,
} as const;
