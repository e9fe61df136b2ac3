/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { finalize, map, mergeMap, Observable, of, Subject, throwError, timer, type Subscription } from 'rxjs';
import { KeptFailure } from '../../lib/cache/cache-entry';
import { internalsOf, LLMResultCache } from '../../lib/cache/llm-result-cache';
import type { CallContext, CallOutcome, SuccessfulOutcome } from '../../lib/core/call';
import { CallTimeoutError, DeadlineExceededError } from '../../lib/core/errors';
import type { CallPriority } from '../../lib/core/priority';
import type { CacheBypass, CallTraits } from '../../lib/core/traits';
import { cacheLLM } from '../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { SlowStore, type StoreFate } from '../cache/slow-store';
import { inVirtualTime, type WatchedTestScheduler } from '../test-scheduler';

export const keys = ['a1', 'a2', 'b'] as const;
export type Key = (typeof keys)[number];

/** What each key's answers can be invalidated by. */
const tagsOf: Readonly<Record<Key, readonly string[]>> = { a1: ['one', 'both'], a2: ['both'], b: [] };

/** How the cache and the pipelines of one run are made; times are milliseconds. */
export interface WorldConfig {
  readonly ttl: number;
  readonly ttlJitter: number;
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
  readonly errorTtl: number;
  readonly keepAlive: boolean;
  readonly sharedCallTimeout: number;
  readonly maxSize: number;
  readonly maxBytes: number;
  readonly attempts: number;
  /** Of the two pipelines that live through the run, and of those made for one request. */
  readonly maxConcurrent: readonly [number, number, number];
  readonly store:
    { readonly latency: number; readonly deadline: number; readonly fates: readonly StoreFate[] } | undefined;
}

/** A request of one step. */
export interface Ask {
  readonly do: 'ask';
  readonly at: number;
  readonly key: Key;
  /** The pipeline that it goes to: one of the two, or one of its own. */
  readonly via: 0 | 1 | 2;
  readonly latency: number;
  /** Attempts that fail, from the first one on. */
  readonly failures: number;
  /** Milliseconds until its subscriber leaves, where the pipeline is its own. */
  readonly leavesAfter: number;
  readonly bypass: CacheBypass | 'all' | undefined;
  readonly maxWait: number | undefined;
  readonly cacheTtl: number | undefined;
  readonly priority: CallPriority;
  /** What its subscriber does as soon as it has the outcome. */
  readonly reaction: 'ask' | 'leave' | 'delete' | undefined;
}

export type Step =
  | Ask
  | { readonly do: 'leave'; readonly at: number; readonly via: 0 | 1 }
  | { readonly do: 'delete' | 'set'; readonly at: number; readonly key: Key }
  | { readonly do: 'clear'; readonly at: number }
  | { readonly do: 'invalidate'; readonly at: number; readonly by: 'tag' | 'prefix' | 'key' | 'value' };

interface Request extends Omit<Ask, 'do' | 'at' | 'via'> {
  readonly number: number;
  /** The moment of its arrival in the order of all that happens. */
  readonly asked: number;
  readonly askedAt: number;
}

interface Answer {
  readonly key: Key;
  /** The moment its call began, in the order of all that happens. */
  readonly began: number;
  /** The moment that the request arrived which the call was made for. */
  readonly asked: number;
  readonly landedAt: number;
  /** Milliseconds. */
  readonly ttl: number;
  /** Whether its request wants neither that it is kept nor that it is shared. */
  readonly isPrivate: boolean;
  readonly isEven: boolean;
}

class CallError extends Error {
  readonly status = 500;
  constructor(
    readonly key: Key,
    readonly began: number,
    readonly endedAt: number,
  ) {
    super('The provider failed.');
  }
}

interface RunningCall {
  /** The moment it began, in the order of all that happens. */
  readonly began: number;
  readonly request: Request;
  readonly startedAt: number;
}

/** What was fenced, and when. */
interface Fence {
  readonly moment: number;
  /** Undefined where it applies whatever the answer is. */
  readonly applies: ((answer: Answer) => boolean) | undefined;
}

const lastSample = 150;
const sourcesEndAt = 1300;
const endsAt = 3000;
/** The end, and a look into the store by another process. */
const quietFrom = endsAt + 200;

/** Runs steps in virtual time, and throws as soon as anything is as it must never be. */
export function live(config: WorldConfig, steps: readonly Step[]): void {
  const { lastWorkAt } = inVirtualTime((scheduler) => {
    const world = new World(config, scheduler);
    for (const step of steps) {
      world.after(step.at, () => world.take(step));
    }
    for (let time = 3; time < lastSample; time += 7) {
      world.after(time, () => world.inspect());
    }
    world.after(sourcesEndAt, () => world.endSources());
    world.after(endsAt, () => world.end());
    return scheduler;
  });
  demand(lastWorkAt <= quietFrom, () => `something was still scheduled at ${lastWorkAt}`);
}

/** A plain check, as an `expect` for each of millions would take minutes. */
function demand(isTrue: boolean, what: () => string): void {
  if (!isTrue) {
    throw new Error(what());
  }
}

/** What is known of everything that happened, beside the cache, and what must follow from it. */
class World {
  readonly #config: WorldConfig;
  readonly #scheduler: WatchedTestScheduler;
  readonly #cache: LLMResultCache;
  readonly #store: SlowStore | undefined;
  readonly #sources: [Subject<Request>, Subject<Request>];
  readonly #pipelines: [Subscription, Subscription];
  readonly #all: Subscription[] = [];
  /** Requests without an outcome whose subscriber has not left, and the pipeline of each. */
  readonly #open = new Map<Request, Subscription | undefined>();
  readonly #settled = new Set<Request>();
  readonly #running = new Set<RunningCall>();
  readonly #fences: Record<Key, Fence[]> = { a1: [], a2: [], b: [] };
  readonly #firstStarts = new Map<Request, number>();
  /** How long any request wanted an answer kept, so far. */
  readonly #ttls: Record<Key, Set<number>> = { a1: new Set(), a2: new Set(), b: new Set() };
  readonly #lastKept = new Map<Key, Answer>();
  #moments = 0;
  #numbers = 0;
  #isEven = false;
  #areSourcesDone = false;
  #wrong: string | undefined;
  /** Timers that are not the cache's. */
  #timers = 0;

  constructor(config: WorldConfig, scheduler: WatchedTestScheduler) {
    this.#config = config;
    this.#scheduler = scheduler;
    const { ttl, ttlJitter, staleWhileRevalidate, staleIfError, errorTtl, keepAlive, store } = config;
    const { sharedCallTimeout, maxSize, maxBytes } = config;
    let operation = 0;
    this.#store =
      store && new SlowStore(store.latency, () => store.fates[operation++ % store.fates.length] ?? 'answers');
    let chance = 0;
    this.#cache = new LLMResultCache({
      scheduler,
      ...{ defaultTtl: ttl, ttlJitter, staleWhileRevalidate, staleIfError, errorTtl, keepAlive },
      ...{ sharedCallTimeout, maxSize, maxBytes },
      random: () => (chance = (chance + 0.37) % 1),
      ...(this.#store && store && { store: this.#store, storeDeadline: store.deadline }),
    });
    this.#sources = [new Subject(), new Subject()];
    this.#pipelines = [this.#openPipeline(0), this.#openPipeline(1)];
  }

  after(time: number, work: () => void): void {
    this.#timers++;
    timer(time).subscribe(() => {
      this.#timers--;
      work();
    });
  }

  take(step: Step): void {
    switch (step.do) {
      case 'ask':
        this.#ask(step);
        break;
      case 'leave':
        this.#leave(this.#pipelines[step.via]);
        break;
      case 'delete':
        this.#fence([step.key], undefined);
        this.#cache.delete(step.key);
        break;
      case 'set':
        this.#set(step.key);
        break;
      case 'clear':
        this.#fence(keys, undefined);
        this.#cache.clear();
        break;
      case 'invalidate':
        this.#invalidate(step.by);
    }
    this.inspect();
  }

  /** Completes the sources of the pipelines that live on. */
  endSources(): void {
    this.#areSourcesDone = true;
    for (const source of this.#sources) {
      source.complete();
    }
  }

  /** What must hold at any moment between two tasks. */
  inspect(): void {
    demand(this.#wrong === undefined, () => this.#wrong!);
    const now = this.#scheduler.now();
    const { maxSize, maxBytes, sharedCallTimeout, store } = this.#config;
    const { memory, flights } = this.#cache[internalsOf];
    // The timer that this runs in counts, too.
    const isIdle = this.#open.size === 0 && this.#running.size === 0 && flights.all().length === 0;
    demand(
      !isIdle || store !== undefined || this.#scheduler.actions.length === this.#timers + 1,
      () => 'a timer goes on although nothing is to be done',
    );
    demand(memory.size <= maxSize && memory.bytes <= maxBytes, () => 'more is kept than may be');
    for (const key of keys) {
      const kept = memory.peek(key)?.value;
      if (kept instanceof KeptFailure) {
        const error = kept.error as CallError;
        demand(!this.#isFencedSince(key, error.began, Infinity), () => `a failure of ${key} passed a fence`);
      } else if (kept !== undefined) {
        const answer = kept as Answer;
        const before = this.#lastKept.get(key);
        demand(answer.key === key, () => `${key} holds an answer of ${answer.key}`);
        demand(!answer.isPrivate, () => `${key} holds an answer that was not to be kept`);
        demand(
          !this.#isFencedSince(key, answer.began, Infinity, answer),
          () => `an answer of ${key} was written past a fence`,
        );
        demand(
          store !== undefined || !before || answer.began >= before.began || answer.asked >= before.asked,
          () => `an answer of ${key} was replaced with an older one`,
        );
        this.#lastKept.set(key, answer);
      }
      this.#inspectCalls(key);
    }
    for (const { request, startedAt } of this.#running) {
      demand(
        request.bypass === 'all' || now <= startedAt + sharedCallTimeout,
        () => `the call of ${request.number} exceeds its time`,
      );
    }
  }

  end(): void {
    this.inspect();
    const lost = [...this.#open.keys()].map(({ number }) => number);
    demand(lost.length === 0, () => `no outcome for ${lost.join(', ')}`);
    demand(this.#running.size === 0, () => `${this.#running.size} calls still run`);
    demand(
      this.#all.every(({ closed }) => closed),
      () => 'a stream did not complete',
    );
    const flights = this.#cache[internalsOf].flights.all();
    demand(flights.length === 0, () => `${flights.length} flights are still known`);
    this.#cache.close();
    this.#lookAgain();
  }

  #ask({ via, ...ask }: Ask): void {
    this.#ttls[ask.key].add(ask.cacheTtl ?? this.#config.ttl);
    const request: Request = {
      ...ask,
      number: this.#numbers++,
      asked: ++this.#moments,
      askedAt: this.#scheduler.now(),
    };
    if (via === 2) {
      this.#open.set(request, undefined);
      const own = this.#subscribe(of(request), 2);
      if (this.#open.has(request)) {
        this.#open.set(request, own);
      }
      if (ask.leavesAfter !== Infinity) {
        this.after(ask.leavesAfter, () => this.#leave(own));
      }
    } else {
      this.#open.set(request, this.#pipelines[via]);
      this.#sources[via].next(request);
    }
  }

  #openPipeline(via: 0 | 1): Subscription {
    const source = new Subject<Request>();
    this.#sources[via] = source;
    return this.#subscribe(source, via);
  }

  #subscribe(source: Observable<Request>, via: 0 | 1 | 2): Subscription {
    const { attempts, maxConcurrent } = this.#config;
    const subscription = source
      .pipe(
        cacheLLM(
          (misses$) =>
            misses$.pipe(
              mergeWithConcurrency((request: Request, context) => this.#call(request, context), {
                maxConcurrent: maxConcurrent[via],
                traits: traitsOf,
                retry: { attempts, baseDelay: 5, random: () => 0.5 },
              }),
            ),
          { cache: this.#cache, traits: traitsOf },
        ),
      )
      .subscribe((outcome) => this.#hear(outcome));
    this.#all.push(subscription);
    return subscription;
  }

  #leave(pipeline: Subscription): void {
    for (const [request, its] of [...this.#open]) {
      if (its === pipeline) {
        this.#open.delete(request);
      }
    }
    pipeline.unsubscribe();
    for (const via of [0, 1] as const) {
      if (this.#pipelines[via] === pipeline && !this.#areSourcesDone) {
        this.#pipelines[via] = this.#openPipeline(via);
      }
    }
  }

  #set(key: Key): void {
    this.#fence([key], undefined);
    const { ttl } = this.#config;
    this.#cache.set(key, { ...this.#answer(key, this.#moments, ttl), began: this.#moments });
  }

  #invalidate(by: Extract<Step, { do: 'invalidate' }>['by']): void {
    switch (by) {
      case 'tag':
        // An answer that a user has set has no tags.
        this.#fence(['a1', 'a2'], ({ asked, began }) => asked !== began);
        this.#cache.invalidate({ tag: 'both' });
        break;
      case 'prefix':
        this.#fence(['a1', 'a2'], undefined);
        this.#cache.invalidate({ prefix: 'a' });
        break;
      case 'key':
        this.#fence(['a1'], undefined);
        // That it will not apply to the others either is known only when their calls have ended: nobody joins those.
        this.#fence(['a2', 'b'], () => false);
        this.#cache.invalidate({ predicate: ({ key }) => key === 'a1' });
        break;
      case 'value':
        this.#fence(keys, ({ isEven }) => isEven);
        this.#cache.invalidate({ predicate: ({ value }) => (value as Answer).isEven });
    }
  }

  #fence(fenced: readonly Key[], applies: Fence['applies']): void {
    const moment = ++this.#moments;
    for (const key of fenced) {
      this.#fences[key].push({ moment, applies });
    }
  }

  /** Whether a fence of a moment before `until` forbids what began at another. */
  #isFencedSince(key: Key, began: number, until: number, answer?: Answer): boolean {
    return this.#fences[key].some(
      ({ moment, applies }) =>
        moment < until && began < moment && (answer ? (applies?.(answer) ?? true) : !applies),
    );
  }

  #answer(key: Key, asked: number, ttl: number, isPrivate = false): Omit<Answer, 'began'> {
    this.#isEven = !this.#isEven;
    return {
      key,
      asked,
      landedAt: this.#scheduler.now(),
      ttl,
      isPrivate,
      isEven: this.#isEven,
    };
  }

  #call(request: Request, { attempt }: CallContext): Observable<Answer> {
    const { key, latency, failures, asked, bypass, cacheTtl = this.#config.ttl } = request;
    const began = ++this.#moments;
    const isPrivate = bypass === 'all' || (bypass?.write === true && bypass.sharing === true);
    const answered$ = latency === 0 ? of(0) : timer(latency);
    return new Observable<Answer>((subscriber) => {
      const running: RunningCall = { request, began, startedAt: this.#scheduler.now() };
      if (attempt === 1) {
        this.#firstStarts.set(request, running.startedAt);
      }
      this.#demandAlone(request);
      this.#running.add(running);
      return answered$
        .pipe(
          mergeMap(() => {
            // Over before anyone hears of it.
            this.#running.delete(running);
            return attempt <= failures
              ? throwError(() => new CallError(key, began, this.#scheduler.now()))
              : of({ ...this.#answer(key, asked, cacheTtl, isPrivate), began });
          }),
          finalize(() => this.#running.delete(running)),
        )
        .subscribe(subscriber);
    });
  }

  /** At most one call runs for a key, but for those that share nothing or were fenced. */
  #demandAlone(request: Request): void {
    if (this.#mayRunBesides(request)) {
      return;
    }
    const endsNow = this.#scheduler.now() - this.#config.sharedCallTimeout;
    for (const { request: other } of this.#running) {
      // One whose time is over is aborted only when all have their outcomes, and may have reacted to them.
      const isEnding = (this.#firstStarts.get(other) ?? 0) <= endsNow;
      if (other.key === request.key && !this.#mayRunBesides(other) && !isEnding) {
        // Thrown here, it would be no more than the failure of a call.
        this.#wrong ??= `two calls run for ${request.key}: of ${other.number} and ${request.number}`;
      }
    }
  }

  #mayRunBesides({ key, bypass, asked }: Request): boolean {
    return (
      bypass === 'all' ||
      bypass?.sharing === true ||
      // Where it would otherwise share what is read from the store.
      (bypass?.lookUp === true && this.#store !== undefined) ||
      this.#fences[key].some(({ moment }) => moment > asked)
    );
  }

  /** No call runs that nobody wants. */
  #inspectCalls(key: Key): void {
    const { keepAlive, staleWhileRevalidate } = this.#config;
    const isOfCache = keepAlive || staleWhileRevalidate > 0;
    const fences = this.#fences[key].filter(({ applies }) => !applies);
    const fencedAt = fences.at(-1)?.moment ?? 0;
    const before = isOfCache ? fencedAt : Infinity;
    const wanted = [...this.#open.keys()].filter((one) => one.key === key && one.asked < before).length;
    let running = 0;
    for (const { request, began } of this.#running) {
      running += Number(request.key === key && began < before);
    }
    demand(running <= wanted, () => `${running} calls run for ${key}, but ${wanted} requests wait`);
  }

  #hear(outcome: CallOutcome<Request, Answer>): void {
    const { request } = outcome;
    const pipeline = this.#open.get(request);
    demand(this.#open.delete(request), () => `an outcome of ${request.number} that nobody waits for`);
    demand(!this.#settled.has(request), () => `a second outcome of ${request.number}`);
    this.#settled.add(request);
    if (outcome.ok) {
      this.#hearAnswer(outcome);
    } else {
      this.#hearFailure(request, outcome.error);
    }
    this.#react(request, pipeline);
  }

  #hearAnswer({ request, value: answer, source, attempts }: SuccessfulOutcome<Request, Answer>): void {
    const { staleWhileRevalidate, staleIfError, ttlJitter } = this.#config;
    const { key, number, bypass, asked, askedAt, maxWait } = request;
    const now = this.#scheduler.now();
    const { landedAt, ttl } = answer;
    // Of several who share a call, another one than that it was made for may have said how long to keep its answer.
    const ttls = [ttl, ...this.#ttls[key]];
    const [shortest, longest] = [Math.min(...ttls), Math.max(...ttls)];
    const what = () => `${number} (${key}) was given, as ${source}, ${JSON.stringify(answer)}`;
    demand(answer.key === key, what);
    demand(!this.#isFencedSince(key, answer.began, asked, answer), () => `${what()}: fenced`);
    const isNew = landedAt === now;
    const skipsLookUp = bypass === 'all' || bypass?.lookUp === true;
    demand(
      !skipsLookUp || (landedAt >= askedAt && source !== 'stale'),
      () => `${what()}: it skips the look-up`,
    );
    demand(
      source !== 'shared' || !(bypass === 'all' || bypass?.sharing === true || answer.isPrivate),
      () => `${what()}: it shares nothing`,
    );
    demand(source === 'call' || answer.asked !== asked || source === 'cache', what);
    switch (source) {
      case 'call':
      case 'shared':
        demand(isNew, () => `${what()}: at ${now}`);
        break;
      case 'cache':
        demand(now < landedAt + longest && !answer.isPrivate, () => `${what()}: at ${now}`);
        break;
      default: {
        // One that stands in for a failed call may also be fresh, kept by a call that nobody shared.
        const isStandIn = staleIfError > 0 && (attempts > 0 || maxWait !== undefined);
        const grace = isStandIn ? Math.max(staleWhileRevalidate, staleIfError) : staleWhileRevalidate;
        demand(
          (isStandIn || now >= landedAt + shortest * (1 - ttlJitter)) &&
            now < landedAt + longest + grace &&
            !answer.isPrivate,
          () => `${what()}: at ${now}`,
        );
      }
    }
  }

  #hearFailure({ number, key, asked, maxWait, bypass }: Request, error: unknown): void {
    const { errorTtl, sharedCallTimeout } = this.#config;
    const now = this.#scheduler.now();
    const what = () => `${number} (${key}) failed at ${now} with ${String(error)}`;
    if (error instanceof CallError) {
      demand(error.key === key && !this.#isFencedSince(key, error.began, asked), what);
      const keptFor = bypass === 'all' || bypass?.lookUp === true ? 0 : errorTtl;
      demand(now === error.endedAt || now < error.endedAt + keptFor, what);
    } else if (error instanceof DeadlineExceededError) {
      demand(maxWait !== undefined, what);
    } else {
      demand(error instanceof CallTimeoutError && sharedCallTimeout !== Infinity, what);
    }
  }

  #react(request: Request, pipeline: Subscription | undefined): void {
    switch (request.reaction) {
      case 'ask':
        this.#ask({ ...request, reaction: undefined, do: 'ask', at: 0, via: 2 });
        break;
      case 'leave':
        if (pipeline) {
          this.#leave(pipeline);
        }
        break;
      case 'delete':
        this.#fence([request.key], undefined);
        this.#cache.delete(request.key);
    }
  }

  /** What another process finds in the store that this one has left. */
  #lookAgain(): void {
    const { store } = this.#config;
    const isSound =
      store && store.latency < store.deadline && store.fates.every((fate) => fate === 'answers');
    if (!this.#store || !isSound) {
      return;
    }
    const scheduler = this.#scheduler;
    const cache = new LLMResultCache({ scheduler, store: this.#store, storeDeadline: store.deadline });
    for (const key of keys) {
      of(key)
        .pipe(
          cacheLLM((misses$: Observable<Key>) => misses$.pipe(mergeWithConcurrency(() => of(undefined))), {
            cache,
            traits: () => ({ cacheKey: key }),
          }),
          map((outcome) => (outcome.ok ? (outcome.value as Answer | undefined) : undefined)),
        )
        .subscribe((answer) => {
          demand(
            !answer || (answer.key === key && !this.#isFencedSince(key, answer.began, Infinity, answer)),
            () => `the store gave ${JSON.stringify(answer)} for ${key}`,
          );
          cache.close();
        });
    }
  }
}

function traitsOf({ key, bypass, maxWait, cacheTtl, priority }: Request): CallTraits {
  return {
    cacheKey: bypass === 'all' ? false : key,
    cacheTags: tagsOf[key],
    priority,
    ...(bypass !== 'all' && bypass && { bypass }),
    ...(maxWait !== undefined && { maxWait }),
    ...(cacheTtl !== undefined && { cacheTtl }),
  };
}
