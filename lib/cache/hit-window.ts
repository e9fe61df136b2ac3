const buckets = 60;
const bucketLength = 1000;

/** Counts look-ups and hits of the last minute, in sixty buckets of one second. */
export class HitWindow {
  readonly #lookUps = new Uint32Array(buckets);
  readonly #hits = new Uint32Array(buckets);
  #bucket = 0;
  /** Where that stands. */
  #place = 0;
  /** When the next bucket begins. */
  #endsAt = bucketLength;

  add(now: number, isHit: boolean): void {
    if (now >= this.#endsAt) {
      this.#advance(now);
    }
    this.#lookUps[this.#place]!++;
    if (isHit) {
      this.#hits[this.#place]!++;
    }
  }

  /** Hits over look-ups, 0 to 1; 0 where there were none. */
  rate(now: number): number {
    this.#advance(now);
    const sum = (counts: Uint32Array) => counts.reduce((total, count) => total + count, 0);
    const lookUps = sum(this.#lookUps);
    return lookUps === 0 ? 0 : sum(this.#hits) / lookUps;
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / bucketLength);
    if (bucket > this.#bucket) {
      const passed = Math.min(bucket - this.#bucket, buckets);
      for (let step = 0; step < passed; step++) {
        this.#lookUps[(bucket - step) % buckets] = 0;
        this.#hits[(bucket - step) % buckets] = 0;
      }
      this.#bucket = bucket;
      this.#place = bucket % buckets;
      this.#endsAt = (bucket + 1) * bucketLength;
    }
  }
}
