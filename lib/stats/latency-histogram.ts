/** Buckets per doubling; neighbours differ by 1.1 %, so that a percentile is off by at most half of that. */
const bucketsPerDoubling = 64;
/** The least latency told apart, in milliseconds, and how many doublings above it: up to about 19 hours. */
const least = 1 / 16;
const doublings = 30;
const lastBucket = bucketsPerDoubling * doublings;

/** Counts latencies in buckets whose bounds grow geometrically, so that percentiles cost no memory per call. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(lastBucket + 1);
  #count = 0;
  #sum = 0;

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  add(latency: number): void {
    this.#count++;
    this.#sum += latency;
    this.#counts[latency <= least ? 0 : bucketOf(latency)]!++;
  }

  /** The latency that a share (0 to 1) of the calls did not exceed; 0 while there are none. */
  percentile(share: number): number {
    let left = Math.ceil(this.#count * share);
    if (left === 0) {
      return 0;
    }
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0) {
        return bucket === 0 ? 0 : least * 2 ** ((bucket - 0.5) / bucketsPerDoubling);
      }
    }
    return 0;
  }
}

function bucketOf(latency: number): number {
  return Math.min(lastBucket, Math.ceil(Math.log2(latency / least) * bucketsPerDoubling));
}
