import { ClosedError } from '../core/errors';
import { holdStarts } from '../core/held-starts';
import type { CacheRun } from '../operators/cache-run';
import type { LastingPipeline } from '../operators/cache-run-settings';

/** What an optimizer has begun and not ended yet. */
export class OpenWork {
  /** Pipelines that go on for the sake of the cache. */
  readonly lasting = new Set<LastingPipeline>();
  /** What it is closed for, if that was an error. */
  cause: { readonly error: unknown } | undefined;
  readonly #runs = new Set<CacheRun<never, never>>();
  isClosed = false;

  /** What is asked too late fails with; undefined before. */
  get lateError(): Error | undefined {
    return this.isClosed ? this.#error() : undefined;
  }

  /** Takes in a subscription that runs; returns what is done when it ends. */
  add<R, V>(run: CacheRun<R, V>): () => void {
    const open = run as unknown as CacheRun<never, never>;
    this.#runs.add(open);
    return () => this.#runs.delete(open);
  }

  /** Fails all that is open, and ends it. */
  close(): void {
    this.isClosed = true;
    holdStarts(() => {
      for (const run of [...this.#runs]) {
        run.closeWith(this.#error());
      }
      for (const pipeline of [...this.lasting]) {
        pipeline.abandonUnwanted();
      }
    });
  }

  #error(): Error {
    const error = new ClosedError('The LLMCallOptimizer');
    if (this.cause) {
      error.cause = this.cause.error;
    }
    return error;
  }
}
