const buckets = 10;
const bucketLength = 1000;

/** Counts starts over the last ten seconds, in ten buckets of one second. */
export class RateMeter {
  /** Those of the buckets that have ended. */
  readonly #counts = new Float64Array(buckets);
  /** That of the present one. */
  #count = 0;
  #bucket = 0;
  /** When the next bucket begins. */
  #endsAt = bucketLength;
  #firstAt: number | undefined;

  add(now: number): void {
    if (now >= this.#endsAt) {
      this.#advance(now);
    }
    this.#firstAt ??= now;
    this.#count++;
  }

  /** Starts per second. */
  rate(now: number): number {
    this.#advance(now);
    let total = this.#count;
    for (const count of this.#counts) {
      total += count;
    }
    if (total === 0) {
      this.#firstAt = undefined;
      return 0;
    }
    const covered = Math.min(now - this.#firstAt!, buckets * bucketLength);
    return (total * 1000) / Math.max(covered, bucketLength);
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / bucketLength);
    if (bucket > this.#bucket) {
      this.#counts[this.#bucket % buckets] = this.#count;
      this.#count = 0;
      const passed = Math.min(bucket - this.#bucket, buckets);
      for (let step = 0; step < passed; step++) {
        this.#counts[(bucket - step) % buckets] = 0;
      }
      this.#bucket = bucket;
    }
    this.#endsAt = (this.#bucket + 1) * bucketLength;
  }
}
