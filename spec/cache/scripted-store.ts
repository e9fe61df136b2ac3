import { firstValueFrom, map, of, ReplaySubject, type SchedulerLike } from 'rxjs';
import type { CacheStore } from '../../lib/cache/cache-store';
import { internalsOf, LLMResultCache, type ResultCacheConfig } from '../../lib/cache/llm-result-cache';
import type { StoreOperation } from '../../lib/cache/store-health';
import type { CallEvent } from '../../lib/core/events';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { rethrow } from '../test-scheduler';

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

/** A cache that keeps nothing in memory, and everything that it says. */
export function answersOver(store: CacheStore, config: ResultCacheConfig = {}) {
  const events: CallEvent[] = [];
  const cache = new LLMResultCache({
    store,
    maxBytes: 1,
    events: { next: (event) => event.type.startsWith('store-') && events.push(event) },
    ...config,
  });
  const { clock } = cache[internalsOf];
  /** Asks for an answer, which is undefined if the store does not give one. */
  const read = (cacheKey: string) => {
    const answers: { readonly value: unknown; readonly at: number }[] = [];
    const answer$ = new ReplaySubject<unknown>(1);
    const outcomes$ = of({ cacheKey, bypass: { write: true, sharing: true } }).pipe(
      cacheLLM(
        mergeWithConcurrency(() => of(undefined as unknown)),
        cache,
      ),
      map((outcome) => (outcome.ok && outcome.source === 'cache' ? outcome.value : undefined)),
    );
    const reading = outcomes$.subscribe({
      next: (value) => {
        answers.push({ value, at: clock.now() });
        answer$.next(value);
      },
      error: rethrow,
    });
    return {
      /** Leaves. */
      cancel: () => reading.unsubscribe(),
      /** What came, and when. */
      answers,
      /** The first of them, as a promise. */
      answer: () => firstValueFrom(answer$, { defaultValue: undefined }),
      /** The answer that has come. */
      get value() {
        expect(answers).toHaveLength(1);
        return answers[0]!.value;
      },
    };
  };
  return { cache, events, read };
}

export type StoredAnswers = ReturnType<typeof answersOver>;
