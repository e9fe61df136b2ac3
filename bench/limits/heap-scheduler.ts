import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

/** One time that an action is due; it counts only while the action was not scheduled anew or cancelled since. */
interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * Virtual time for RxJS in which thousands of timers cost little, since they stand in a binary heap
 * (`VirtualTimeScheduler` sorts all of them with each new one). Timers wait whole milliseconds, and at least one, as
 * those of Node and browsers do. What is due at one time runs in the order it was scheduled.
 */
export class HeapScheduler implements SchedulerLike {
  readonly #heap: Due[] = [];
  #now = 0;
  #scheduled = 0;

  now(): number {
    return this.#now;
  }

  schedule<T>(work: Work<T>, delay = 0, state?: T): Subscription {
    return new HeapAction(work, (wait, run) => this.#add(wait, run)).schedule(state, delay);
  }

  /**
   * Runs what is due until a time, in milliseconds, or until it is over, which is asked after each action.
   * @returns false if it is over, or nothing is left that could ever run
   */
  runUntil(at: number, isOver: () => boolean): boolean {
    for (let first = this.#heap[0]; first && first.at <= at; first = this.#heap[0]) {
      this.#removeFirst();
      this.#now = first.at;
      first.run();
      if (isOver()) return false;
    }
    if (this.#heap.length === 0) return false;
    this.#now = at;
    return true;
  }

  #add(wait: number, run: () => void): void {
    this.#scheduled += 1;
    const due = { at: this.#now + Math.max(1, Math.ceil(wait)), order: this.#scheduled, run };
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (isBefore(heap[parent]!, due)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = due;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
  }
}

function isBefore(one: Due, other: Due): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** A piece of work that may schedule itself again. */
class HeapAction<T> extends Subscription implements SchedulerAction<T> {
  readonly #work: Work<T>;
  readonly #add: (wait: number, run: () => void) => void;
  #times = 0;

  constructor(work: Work<T>, add: (wait: number, run: () => void) => void) {
    super();
    this.#work = work;
    this.#add = add;
  }

  schedule(state?: T, delay = 0): Subscription {
    this.#times += 1;
    const time = this.#times;
    this.#add(delay, () => {
      if (this.closed || time !== this.#times) return;
      this.#work(state);
      if (time === this.#times) this.unsubscribe();
    });
    return this;
  }
}
