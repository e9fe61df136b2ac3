import type { SchedulerLike } from 'rxjs';
import type { CacheStore } from '../../lib/cache/cache-store';
import type { StoreOperation } from '../../lib/cache/store-calls';
import type { Clock } from '../../lib/core/clock';
import { clockFrom } from '../../lib/core/scheduler-clock';

/** How a store answers one operation. */
export interface Behaviour {
  /** Milliseconds until it answers; 0 answers by a thenable at once, undefined without one, `Infinity` never. */
  readonly after?: number;
  /** Milliseconds until it does what it was asked for; by default when it answers, and never where it fails. */
  readonly landsAfter?: number;
  readonly throws?: boolean;
  readonly rejects?: boolean;
  /** Whether it fails as Keyv does: emits the error, and answers as if nothing had happened. */
  readonly swallows?: boolean;
  /** What it answers in place of the truth. */
  readonly answers?: { readonly value: unknown };
}

/** A store over a Map whose answers come when a spec says so, without a promise: in virtual time nothing else is in time. */
export class ScriptedStore implements CacheStore {
  readonly texts = new Map<string, string>();
  /** What was asked, and when. */
  readonly log: string[] = [];
  readonly ttls: (number | undefined)[] = [];
  behave: (operation: StoreOperation | 'next', key: string) => Behaviour = () => ({});
  readonly #scheduler: SchedulerLike;
  readonly #listeners = new Set<(error: unknown) => void>();

  constructor(scheduler: SchedulerLike) {
    this.#scheduler = scheduler;
  }

  /** How many operations of a kind were asked for. */
  count(operation: string): number {
    return this.log.filter((line) => line.startsWith(operation)).length;
  }

  get(key: string): unknown {
    return this.#answer('get', key, () => this.texts.get(key));
  }

  set(key: string, text: string, ttl?: number): unknown {
    this.ttls.push(ttl);
    return this.#answer('set', key, () => {
      this.texts.set(key, text);
      return true;
    });
  }

  delete(key: string): unknown {
    return this.#answer('delete', key, () => this.texts.delete(key));
  }

  clear?(): unknown {
    return this.#answer('clear', '', () => this.texts.clear());
  }

  iterator?(): Iterable<unknown> | AsyncIterable<unknown> {
    const entries = this.texts.entries();
    const next = () => this.#answer('next', '', () => entries.next());
    return { [Symbol.asyncIterator]: () => ({ next, return: () => entries.return!() }) } as never;
  }

  on(_event: 'error', listener: (error: unknown) => void): this {
    this.#listeners.add(listener);
    return this;
  }

  off(_event: 'error', listener: (error: unknown) => void): this {
    this.#listeners.delete(listener);
    return this;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  emit(error: unknown): void {
    for (const listener of this.#listeners) {
      listener(error);
    }
  }

  #answer(operation: StoreOperation | 'next', key: string, perform: () => unknown): unknown {
    this.log.push(`${operation} ${key} ${this.#scheduler.now()}`);
    const { after, throws, rejects, swallows, answers, ...behaviour } = this.behave(operation, key);
    const fails = [throws, rejects, swallows].includes(true);
    const landsAfter = behaviour.landsAfter ?? (fails ? Infinity : (after ?? 0));
    let truth: unknown;
    const land = () => (truth = perform());
    if (landsAfter === 0) {
      land();
    } else if (landsAfter !== Infinity) {
      this.#scheduler.schedule(land, landsAfter);
    }
    if (throws) {
      throw new Error(`${operation} failed`);
    }
    const answer = () => {
      if (swallows) {
        this.emit(new Error(`${operation} failed`));
      }
      return answers ? answers.value : truth;
    };
    if (after === undefined && !rejects) {
      return answer();
    }
    return {
      then: (taken: (value: unknown) => void, failed: (error: unknown) => void) => {
        const settle = () => {
          if (rejects) {
            failed(new Error(`${operation} failed`));
          } else {
            taken(answer());
          }
        };
        if (after === undefined || after === 0) {
          settle();
        } else if (after !== Infinity) {
          this.#scheduler.schedule(settle, after);
        }
      },
    };
  }
}

/** A clock on a scheduler that knows how many timers it holds, with or without those in the background. */
export function countedClock(
  scheduler: SchedulerLike,
  background: boolean,
): Clock & { readonly held: number } {
  const clock = clockFrom(scheduler);
  let held = 0;
  return {
    get held() {
      return held;
    },
    now: () => clock.now(),
    schedule: (delay, task, options) => {
      if (options?.background && !background) {
        return () => undefined;
      }
      let isHeld = true;
      held++;
      const release = () => {
        held -= Number(isHeld);
        isHeld = false;
      };
      const cancel = clock.schedule(delay, () => {
        release();
        task();
      });
      return () => {
        release();
        cancel();
      };
    },
  };
}
