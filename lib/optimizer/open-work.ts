import { ClosedError } from '../core/errors';
import { holdStarts } from '../core/held-starts';
import type { CacheRun } from '../operators/cache-run';
import type { LastingPipeline } from '../operators/cache-run-settings';

/** A set that tells when something has left it. */
class WatchedSet<T> extends Set<T> {
  constructor(private readonly left: () => void) {
    super();
  }

  override delete(item: T): boolean {
    const wasIn = super.delete(item);
    if (wasIn) {
      this.left();
    }
    return wasIn;
  }
}

/** What an optimizer has begun and not ended yet, and whether it begins anything more. */
export class OpenWork {
  /** Pipelines that go on for the sake of the cache. */
  readonly lasting: Set<LastingPipeline>;
  /** What it is closed for, if that was an error. */
  cause: { readonly error: unknown } | undefined;
  readonly #runs: Set<CacheRun<never, never>>;
  #state: 'open' | 'draining' | 'closed' = 'open';
  #tell: () => void = () => undefined;

  constructor() {
    const left = () => this.#tell();
    this.lasting = new WatchedSet(left);
    this.#runs = new WatchedSet(left);
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** What is asked too late fails with; undefined before. */
  get lateError(): Error | undefined {
    return this.#state === 'open' ? undefined : this.#error(this.#state);
  }

  /** Takes in a subscription that runs; returns what is done when it ends. */
  add<R, V>(run: CacheRun<R, V>): () => void {
    const open = run as unknown as CacheRun<never, never>;
    this.#runs.add(open);
    return () => this.#runs.delete(open);
  }

  /** Takes nothing more in; resolves when all that is open has ended, or was closed. */
  async drain(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'draining';
      for (const run of [...this.#runs]) {
        run.refuse(this.#error('draining'));
      }
    }
    // A subscription that has just ended may leave a pipeline behind: so it looks again when all that is done.
    while (!this.isClosed && this.#runs.size + this.lasting.size > 0) {
      await new Promise<void>((resolve) => (this.#tell = resolve));
    }
  }

  /** Fails all that is open, and ends it. */
  close(): void {
    this.#state = 'closed';
    holdStarts(() => {
      for (const run of [...this.#runs]) {
        run.closeWith(this.#error('closed'));
      }
      for (const pipeline of [...this.lasting]) {
        pipeline.abandonUnwanted();
      }
    });
    this.#tell();
  }

  #error(state: 'draining' | 'closed'): Error {
    const error = new ClosedError('The LLMCallOptimizer', state);
    if (this.cause) {
      error.cause = this.cause.error;
    }
    return error;
  }
}
