import type { Flight } from '../cache/flights';
import type { CacheRunSettings } from './cache-run-settings';
import type { CacheWaiter } from './cache-waiter';
import { limitTime } from './flight-timeout';
import { MissesPipeline } from './misses-pipeline';

/**
 * The pipeline for misses of one subscription, and another one for each call that it cannot make because it has
 * completed or would confuse the answer with another.
 */
export class MissesPipelines<R, V> {
  readonly #settings: CacheRunSettings<R, V>;
  readonly #pipeline: MissesPipeline<R, V>;
  readonly #latePipelines = new Set<MissesPipeline<R, V>>();
  /** The number of waiters that may still have to make a call. `misses$` stays open for them. */
  #mayCall = 0;
  #isSourceDone = false;
  #isComplete = false;

  constructor(settings: CacheRunSettings<R, V>) {
    this.#settings = settings;
    this.#pipeline = new MissesPipeline(settings);
  }

  /** @throws the error of `misses` */
  open(): void {
    this.#pipeline.open();
  }

  send(flight: Flight<R, V>): void {
    limitTime(flight, this.#settings);
    if (!this.#isComplete && !this.#pipeline.confuses(flight)) {
      this.#pipeline.send(flight);
      return;
    }
    const pipeline = new MissesPipeline<R, V>(this.#settings, () => this.#latePipelines.delete(pipeline));
    this.#latePipelines.add(pipeline);
    try {
      pipeline.open();
    } catch (error) {
      pipeline.fail(error);
    }
    pipeline.send(flight);
    pipeline.complete();
  }

  /** Records whether a waiter may still have to make a call. */
  setMayCall(waiter: CacheWaiter<R, V>, mayCall: boolean): void {
    this.#mayCall += Number(mayCall) - Number(waiter.mayCall);
    waiter.mayCall = mayCall;
  }

  complete(): void {
    this.#isSourceDone = true;
    this.completeIfDone();
  }

  /** Completes `misses$` with the source, unless a request may still have to be sent. */
  completeIfDone(): void {
    if (this.#isSourceDone && this.#mayCall === 0 && !this.#isComplete) {
      this.#isComplete = true;
      this.#pipeline.complete();
    }
  }

  /** Lets other waiters make the calls that have not begun. */
  restartUnstarted(): void {
    for (const pipeline of [this.#pipeline, ...this.#latePipelines]) {
      pipeline.restartUnstarted();
    }
  }

  leave(): void {
    for (const pipeline of [this.#pipeline, ...this.#latePipelines]) {
      pipeline.leave();
    }
  }
}
