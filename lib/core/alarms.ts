import type { Cancel, Clock } from './clock';

/** One task that is to run at a time. */
export interface Alarm {
  readonly time: number;
  /** Undefined once it rang or was cancelled. */
  task: (() => void) | undefined;
}

/**
 * Any number of alarms on one timer: a binary heap, earliest first. A cancelled alarm stays in the heap until it
 * comes to the top or the cancelled ones outnumber the others, so that cancelling costs next to nothing.
 */
export class Alarms {
  readonly #clock: Clock;
  #heap: Alarm[] = [];
  #live = 0;
  #timerTime = Infinity;
  #cancelTimer: Cancel | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(time: number, task: () => void): Alarm {
    const alarm: Alarm = { time, task };
    this.#live++;
    this.#heap.push(alarm);
    this.#siftUp(this.#heap.length - 1);
    if (time < this.#timerTime) {
      this.#arm(time);
    }
    return alarm;
  }

  cancel(alarm: Alarm): void {
    if (!alarm.task) {
      return;
    }
    alarm.task = undefined;
    this.#live--;
    if (this.#live === 0) {
      this.#heap.length = 0;
      this.#disarm();
    } else if (this.#heap.length > 2 * this.#live + 32) {
      this.#heap = this.#heap.filter((one) => one.task);
      for (let index = (this.#heap.length >> 1) - 1; index >= 0; index--) {
        this.#siftDown(index);
      }
    }
  }

  clear(): void {
    for (const alarm of this.#heap) {
      alarm.task = undefined;
    }
    this.#heap.length = 0;
    this.#live = 0;
    this.#disarm();
  }

  #ring(): void {
    this.#timerTime = Infinity;
    this.#cancelTimer = undefined;
    try {
      for (;;) {
        const first = this.#heap[0];
        if (!first || (first.task && first.time > this.#clock.now())) {
          return;
        }
        this.#removeFirst();
        const { task } = first;
        if (task) {
          first.task = undefined;
          this.#live--;
          task();
        }
      }
    } finally {
      const first = this.#heap[0];
      if (!first) {
        this.#disarm();
      } else if (first.time < this.#timerTime) {
        this.#arm(first.time);
      }
    }
  }

  #arm(time: number): void {
    this.#cancelTimer?.();
    this.#timerTime = time;
    this.#cancelTimer = this.#clock.schedule(Math.max(0, time - this.#clock.now()), () => this.#ring());
  }

  #disarm(): void {
    this.#timerTime = Infinity;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #removeFirst(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#siftDown(0);
    }
  }

  #siftUp(start: number): void {
    const heap = this.#heap;
    const alarm = heap[start]!;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]!.time <= alarm.time) {
        break;
      }
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = alarm;
  }

  #siftDown(start: number): void {
    const heap = this.#heap;
    const alarm = heap[start]!;
    let index = start;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) {
        break;
      }
      if (child + 1 < heap.length && heap[child + 1]!.time < heap[child]!.time) {
        child++;
      }
      if (heap[child]!.time >= alarm.time) {
        break;
      }
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = alarm;
  }
}
