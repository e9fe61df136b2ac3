import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';
import { Heap, type HeapItem } from '../lib/core/heap';

class HeapAction<T> extends Subscription implements SchedulerAction<T>, HeapItem {
  heapIndex = 0;
  time = 0;
  order = 0;
  state: T | undefined;

  constructor(
    private readonly scheduler: HeapScheduler,
    readonly work: (this: SchedulerAction<T>, state?: T) => void,
  ) {
    super();
  }

  schedule(state?: T, delay = 0): Subscription {
    if (!this.closed) {
      this.state = state;
      this.scheduler.put(this as HeapAction<unknown>, delay);
    }
    return this;
  }

  override unsubscribe(): void {
    super.unsubscribe();
    this.scheduler.remove(this as HeapAction<unknown>);
  }
}

/** Virtual time on a heap, for programs of many thousands of timers. */
export class HeapScheduler implements SchedulerLike {
  #time: number;
  #order = 0;
  readonly #actions = new Heap<HeapAction<unknown>>((one, other) =>
    one.time === other.time ? one.order < other.order : one.time < other.time,
  );

  /** @param start when it begins, in milliseconds */
  constructor(start = 0) {
    this.#time = start;
  }

  readonly now = () => this.#time;

  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    return new HeapAction<T>(this, work).schedule(state, delay);
  }

  put(action: HeapAction<unknown>, delay: number): void {
    action.time = this.#time + Math.max(0, delay);
    action.order = ++this.#order;
    this.#actions.put(action);
  }

  remove(action: HeapAction<unknown>): void {
    this.#actions.delete(action);
  }

  /** Runs everything that is scheduled, up to a time. */
  flush(until = Infinity): void {
    for (let action = this.#actions.first; action && action.time <= until; action = this.#actions.first) {
      this.#actions.delete(action);
      this.#time = action.time;
      action.work.call(action, action.state);
    }
  }
}
