/** Buckets per doubling. Neighbours differ by 1.1 %, so a percentile is off by at most half of that. */
const bucketsPerDoubling = 64;
/** The lower bound in milliseconds, and the number of doublings above it: up to about 19 hours. */
const least = 1 / 16;
const doublings = 30;
const lastBucket = bucketsPerDoubling * doublings;

/** The bounds in milliseconds at which a {@link Distribution} is counted. */
const bounds = [
  5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 60_000, 120_000, 300_000, 600_000,
];

/** The distribution of a duration in milliseconds. */
export interface Distribution {
  /** The number of measurements. */
  readonly count: number;
  readonly sum: number;
  /** Half of the measurements did not exceed this. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** How many measurements did not exceed a bound, exact to about a hundredth of it. */
  readonly buckets: readonly { readonly upTo: number; readonly count: number }[];
}

/** Counts latencies in buckets with geometric bounds, so memory does not grow with the calls. */
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
    this.#counts[bucketOf(latency)]!++;
  }

  /** The latency that a share (0 to 1) of the calls did not exceed; 0 without calls. */
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

  distribution(): Distribution {
    let bucket = 0;
    let count = 0;
    const buckets = bounds.map((upTo) => {
      for (const last = bucketOf(upTo); bucket <= last; bucket++) {
        count += this.#counts[bucket]!;
      }
      return { upTo, count };
    });
    return {
      count: this.#count,
      sum: this.#sum,
      p50: this.percentile(0.5),
      p95: this.percentile(0.95),
      p99: this.percentile(0.99),
      buckets,
    };
  }
}

function bucketOf(latency: number): number {
  return latency <= least
    ? 0
    : Math.min(lastBucket, Math.ceil(Math.log2(latency / least) * bucketsPerDoubling));
}
