import { clearInterval, setInterval } from 'node:timers';
import type { CallEvent, ErrorKind, LLMCallOptimizer } from 'rxllm';
import { errorHints } from './hints';
import { History } from './history';
import { LaneWaits } from './lane-waits';
import type { LiveState } from './live-state';
import { verdictOf } from './verdict';

export interface FeedSettings {
  readonly title: string;
  readonly currency: string;
  /** The number of lanes that are named. */
  readonly lanes: number;
}

/** Watches an optimizer and gives its state to listeners every second. Without listeners it has no timer. */
export class LiveFeed {
  readonly #optimizer: LLMCallOptimizer;
  readonly #settings: FeedSettings;
  readonly #history = new History();
  readonly #lanes: LaneWaits;
  readonly #listeners = new Set<() => void>();
  readonly #stop: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  constructor(optimizer: LLMCallOptimizer, settings: FeedSettings) {
    this.#optimizer = optimizer;
    this.#settings = settings;
    this.#lanes = new LaneWaits(settings.lanes);
    const end = () => (this.#isClosed = true);
    const watching = optimizer.stats$.subscribe({
      next: (snapshot) => this.#history.add(snapshot),
      error: end,
      complete: end,
    });
    const next = (event: CallEvent) => {
      this.#history.next(event);
      this.#lanes.next(event);
    };
    watching.add(optimizer.events$.subscribe({ next, error: end }));
    this.#stop = () => watching.unsubscribe();
  }

  /** @param since only points after this time are included */
  state(since: number): LiveState {
    const snapshot = this.#optimizer.getStats();
    this.#history.add(snapshot);
    const lastMinute = this.#history.lastMinute(snapshot);
    return {
      title: this.#settings.title,
      currency: this.#settings.currency,
      isClosed: this.#isClosed,
      verdict: verdictOf(snapshot, lastMinute, this.#isClosed),
      snapshot,
      errors: (Object.entries(snapshot.errors) as [ErrorKind, number][])
        .map(([kind, count]) => ({
          kind,
          count,
          recent: lastMinute.errors[kind] ?? 0,
          hint: errorHints[kind],
        }))
        .sort((one, other) => other.count - one.count),
      lanes: this.#lanes.lanes,
      points: this.#history.since(since),
    };
  }

  /** Calls a listener every second. Returns a function that ends this. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => this.#listeners.forEach((tell) => tell()), 1000).unref();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    };
  }

  close(): void {
    this.#stop();
    clearInterval(this.#timer);
    this.#listeners.clear();
  }
}
