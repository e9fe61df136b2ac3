import { ClosedError } from '../core/errors';
import { holdStarts } from '../core/held-starts';
import type { CacheRun } from '../operators/cache-run';
import type { LastingPipeline } from '../operators/cache-run-settings';

/** A set that reports when an item has left it. */
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

/** The open work of an optimizer, and whether it takes more. */
export class OpenWork {
  /** Pipelines that go on only for the cache. */
  readonly lasting: Set<LastingPipeline>;
  /** The error that it was closed for, if there was one. */
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

  /** The error of later requests; undefined while it takes requests. */
  get lateError(): Error | undefined {
    return this.#state === 'open' ? undefined : this.#error(this.#state);
  }

  /** Adds a running subscription. Returns a function for its end. */
  add<R, V>(run: CacheRun<R, V>): () => void {
    const open = run as unknown as CacheRun<never, never>;
    this.#runs.add(open);
    return () => this.#runs.delete(open);
  }

  /** Takes no further requests. Resolves when all open work has ended or was closed. */
  async drain(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'draining';
      for (const run of [...this.#runs]) {
        run.refuse(this.#error('draining'));
      }
    }
    // A subscription that has just ended may leave a pipeline behind, so check again.
    while (!this.isClosed && this.#runs.size + this.lasting.size > 0) {
      await new Promise<void>((resolve) => (this.#tell = resolve));
    }
  }

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
