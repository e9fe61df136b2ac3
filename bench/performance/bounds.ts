/** What rxllm has to keep. */
export const bounds = {
  /** Times what a call costs with p-queue and priorities: 10,000 calls, 3 slots, four priorities. */
  besidePQueue: 1,
  /** The same with 100,000 calls. */
  besidePQueueAmongMany: 0.15,
  /** Times what a call costs with the libraries that the optimizer replaces: 10,000 calls, keys made by both. */
  besideGlue: 1,
  /** Times what a call costs with 10,000 waiting when 1,000,000 wait. */
  growth: 1.5,
  /** Bytes that a request waiting in `mergeWithConcurrency` takes beyond itself. */
  waitingRequest: 500,
  /** Bytes that a request waiting in the optimizer takes beyond itself. */
  waitingInOptimizer: 1_200,
  /** Times the heap after the first tenth of the soak that it may be at the end. */
  soak: 1.05,
  /** Parts of n that n slots must be faster by. */
  batch: 0.95,
  /** Times that a cached answer must be faster than a call of 50 ms. */
  cachedAnswer: 1_000,
  /** Megabytes that 1,000 answers of 1 KB may take. */
  thousandAnswers: 1.5,
} as const;
