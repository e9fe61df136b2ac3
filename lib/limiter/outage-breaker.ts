/** The number of recent results considered, and how many of them must be failures for an outage. */
const considered = 20;
const tooMany = 16;

/** Milliseconds before the first probe, and the longest time between probes. */
const firstPause = 1000;
const longestPause = 5000;

/** Milliseconds after which a running probe no longer blocks the next one. */
const patience = 30_000;

/** The most failed requests that are remembered. */
const mostFailing = 256;

/** The outage is over after a round of this many probes. */
const lastRound = 4;

/**
 * A circuit breaker for outages. When four in five of the last twenty calls failed for lack of capacity or connection,
 * only a probe starts now and then. After a successful probe two start, then four, and, while half of them succeed, all
 * requests. So a provider that comes back is not flooded.
 */
export class OutageBreaker {
  /** 1 for each failed call among the last ones. */
  readonly #results = new Uint8Array(considered);
  #next = 0;
  #failures = 0;
  #openUntil: number | undefined;
  #openSince = Infinity;
  #pauses = 0;
  /** Calls that may run at once while probing. */
  #round = 0;
  #succeeded = 0;
  #failed = 0;
  readonly #probes = new Map<number, number>();
  /** Failed requests. A request that fails at every attempt counts once, or a few of them would look like an outage. */
  readonly #failing = new Set<number>();

  get isOpen(): boolean {
    return this.#openUntil !== undefined;
  }

  /** Whether a call with this start time was a probe. */
  hasProbed(startedAt: number): boolean {
    return startedAt > this.#openSince;
  }

  /** When a call may start. A past time means at once. */
  opensAt(now: number): number {
    if (this.#openUntil === undefined || now < this.#openUntil) {
      return this.#openUntil ?? -Infinity;
    }
    if (this.#probes.size + this.#succeeded + this.#failed < this.#round) {
      return now;
    }
    let oldest = Infinity;
    for (const startedAt of this.#probes.values()) {
      oldest = Math.min(oldest, startedAt);
    }
    return oldest + patience;
  }

  started(id: number, now: number): void {
    if (this.#openUntil !== undefined) {
      this.#probe(id, now);
    }
  }

  /** The call ended without saying anything about the provider. */
  forget(id: number): void {
    if (this.#probes.size > 0) {
      this.#probes.delete(id);
    }
  }

  succeeded(id: number): void {
    if (this.#failing.size > 0) {
      this.#failing.delete(id);
    }
    if (this.#openUntil === undefined) {
      this.#note(0);
    } else if (this.#probes.delete(id)) {
      this.#succeeded++;
      this.#endRound();
    }
  }

  /** Returns whether this failure opens the breaker. */
  failed(id: number, now: number): boolean {
    if (this.#openUntil === undefined) {
      if (this.#failing.has(id)) {
        return false;
      }
      this.#failing.add(id);
      if (this.#failing.size > mostFailing) {
        const [oldest] = this.#failing;
        this.#failing.delete(oldest!);
      }
      this.#note(1);
      if (this.#failures < tooMany) {
        return false;
      }
      this.#pauses = 0;
      this.#openSince = now;
      this.#open(now);
      return true;
    }
    if (this.#probes.delete(id)) {
      this.#failed++;
      if (2 * this.#failed > this.#round) {
        this.#open(now);
      } else {
        this.#endRound();
      }
    }
    return false;
  }

  #probe(id: number, now: number): void {
    for (const [probe, startedAt] of this.#probes) {
      if (now - startedAt >= patience) {
        this.#probes.delete(probe);
      }
    }
    this.#probes.set(id, now);
  }

  #endRound(): void {
    if (this.#succeeded + this.#failed >= this.#round) {
      this.#succeeded = 0;
      this.#failed = 0;
      this.#round *= 2;
      if (this.#round > lastRound) {
        this.#close();
      }
    }
  }

  #open(now: number): void {
    this.#openUntil = now + Math.min(longestPause, firstPause * 2 ** this.#pauses++);
    this.#round = 1;
    this.#succeeded = 0;
    this.#failed = 0;
    this.#probes.clear();
  }

  #close(): void {
    this.#openUntil = undefined;
    this.#openSince = Infinity;
    this.#probes.clear();
    this.#results.fill(0);
    this.#failures = 0;
    this.#failing.clear();
  }

  #note(result: 0 | 1): void {
    if (result === 0 && this.#failures === 0) {
      // All others failed too.
      return;
    }
    const place = this.#next++ % considered;
    this.#failures += result - this.#results[place]!;
    this.#results[place] = result;
  }
}
