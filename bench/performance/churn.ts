import {
  concat,
  from,
  merge,
  mergeMap,
  NEVER,
  Observable,
  of,
  take,
  takeUntil,
  throwError,
  timer,
  type ObservableInput,
  type VirtualTimeScheduler,
} from 'rxjs';
import {
  adaptiveThrottle,
  AdaptiveRateLimiter,
  cacheLLM,
  LLMCallOptimizer,
  LLMResultCache,
  mergeWithConcurrency,
  type CallEvent,
  type CallOutcome,
} from 'rxllm';
import { seededRandom } from '../../demos/model-server/random';
import { priorities } from './requests';

/** What has happened so far. */
export interface ChurnCounts {
  /** Requests that came as far as rxllm; a stream that is left in time takes no more of its source. */
  requests: number;
  /** Outcomes that came to a subscriber or a promise, by what those heard; promises that were given up are not among them. */
  outcomes: number;
  /** Requests that came to an outcome, by the events. */
  settled: number;
  started: number;
  succeeded: number;
  /** Attempts that were aborted, timed out ones not among them. */
  aborted: number;
  timedOut: number;
  retried: number;
  hits: number;
  joined: number;
  evicted: number;
  /** Requests that failed since they had waited as long as they may. */
  expired: number;
  /** Requests that a full queue refused. */
  refused: number;
  /** Requests whose subscriber left first. */
  left: number;
  pauses: number;
}

/** What must be nothing when nobody asks for anything any more. */
export interface Leftovers {
  readonly running: number;
  readonly waiting: number;
  readonly timers: number;
  /** Calls that have begun and not been cleaned up. */
  readonly open: number;
  /** Answers beyond what the caches may keep. */
  readonly cachedTooMany: number;
}

interface ChurnRequest {
  readonly id: number;
  readonly cacheKey: string | false;
  readonly priority: (typeof priorities)[number];
  readonly lane: string;
  readonly maxWait?: number;
}

/** Answers that each cache keeps. */
const kept = 500;
const popularKeys = 1_500;
const timeout = 120;

/** Waves after which they come as before; heaps should be compared after whole cycles. */
export const cycle = 10;

/** The most requests that arrive in the same instant. */
const burst = 20;

/**
 * A service that lives long, in virtual time: an optimizer, and a chain of the three operators with a limiter and a
 * cache of its own, that serve one wave of requests after the other, by streams that end, streams that are left,
 * and promises that are given up. Some calls hang, fail or are refused, the limiters pause, and requests wait too long
 * or are refused by a full queue.
 */
export class Churn {
  readonly counts: ChurnCounts = {
    requests: 0,
    outcomes: 0,
    settled: 0,
    started: 0,
    succeeded: 0,
    aborted: 0,
    timedOut: 0,
    retried: 0,
    hits: 0,
    joined: 0,
    evicted: 0,
    expired: 0,
    refused: 0,
    left: 0,
    pauses: 0,
  };
  readonly #scheduler: VirtualTimeScheduler;
  readonly #random = seededRandom(5);
  readonly #optimizer: LLMCallOptimizer;
  readonly #limiter: AdaptiveRateLimiter;
  readonly #cache: LLMResultCache;
  readonly #events = { next: (event: CallEvent) => this.#heard(event) };
  readonly #call = (request: ChurnRequest) => this.#answer(request);
  #waves = 0;
  #open = 0;

  constructor(scheduler: VirtualTimeScheduler) {
    this.#scheduler = scheduler;
    this.#optimizer = new LLMCallOptimizer({
      baseInterval: 1,
      maxInterval: 4,
      maxConcurrent: 40,
      maxQueue: 400,
      overflow: 'drop-oldest',
      cacheTtl: 3_000,
      cacheMaxSize: kept,
      timeout,
      maxWait: 600,
      retry: { attempts: 2, baseDelay: 20, maxDelay: 100, maxElapsed: 2_000 },
      scheduler,
    });
    this.#optimizer.events$.subscribe(this.#events);
    this.#limiter = new AdaptiveRateLimiter({ baseInterval: 1, maxInterval: 4, scheduler });
    this.#cache = new LLMResultCache({
      defaultTtl: 3_000,
      maxSize: kept,
      events: this.#events,
      scheduler,
    });
  }

  /** Serves so many requests to the end, in a way that changes from wave to wave. */
  async wave(size: number): Promise<void> {
    const wave = (this.#waves += 1);
    const requests = Array.from({ length: size }, (_, index) => this.#request(wave, index));
    const call = this.#call;
    const ofOptimizer = this.#optimizer.limiter!;
    if (wave % cycle === 0 || wave % cycle === 4) this.#pause(ofOptimizer);
    if (wave % cycle === 1 || wave % cycle === 3) this.#pause(this.#limiter);
    switch (wave % 5) {
      case 0:
        this.#follow(this.#arriving(requests).pipe(this.#optimizer.optimize(call)));
        break;
      case 1:
        this.#follow(this.#arriving(requests).pipe(this.#chain()));
        break;
      case 2:
        // Everything is there at once, and the subscriber leaves in the middle.
        this.#leave(from(requests).pipe(this.#optimizer.optimize(call, { ordered: true })));
        break;
      case 3:
        this.#leave(concat(from(requests), NEVER).pipe(this.#chain()));
        break;
      default:
        await this.#promises(requests);
    }
    this.#scheduler.flush();
    // What promises have to say.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** What is there of all that must be gone after a wave. */
  leftovers(): Leftovers {
    const { executor, cache } = this.#optimizer.getStats();
    return {
      running: executor.active,
      waiting: executor.queued + this.#optimizer.limiter!.state.queued + this.#limiter.state.queued,
      timers: this.#scheduler.actions.filter(({ closed }) => !closed).length,
      open: this.#open,
      cachedTooMany: Math.max(0, cache.size - kept) + Math.max(0, this.#cache.stats.size - kept),
    };
  }

  close(): void {
    this.#optimizer.close();
    this.#limiter.close();
    this.#cache.close();
  }

  #request(wave: number, index: number): ChurnRequest {
    const isPopular = this.#random() < 0.6;
    const popular = Math.floor(popularKeys * this.#random() ** 2);
    return {
      id: index,
      cacheKey:
        this.#random() < 0.05 ? false : isPopular ? `popular ${popular}` : `only once ${wave} ${index}`,
      priority: priorities[Math.floor(this.#random() * priorities.length)]!,
      // Tenants come and go.
      lane: `tenant ${wave} ${index % 7}`,
      ...(index % 10 === 0 && { maxWait: 50 }),
    };
  }

  #answer({ id }: ChurnRequest): Observable<{ readonly answer: number }> {
    const chance = this.#random();
    const latency = chance < 0.02 ? 1_000 : 2 + Math.floor(30 * this.#random());
    const answer$: ObservableInput<{ readonly answer: number }> =
      chance > 0.999
        ? throwError(() => Object.assign(new Error('Too many requests'), { status: 429 }))
        : chance > 0.97
          ? throwError(() => Object.assign(new Error('Internal error'), { status: 500 }))
          : of({ answer: id });
    return new Observable((subscriber) => {
      this.#open += 1;
      subscriber.add(() => (this.#open -= 1));
      subscriber.add(
        timer(latency, this.#scheduler)
          .pipe(mergeMap(() => answer$))
          .subscribe(subscriber),
      );
    });
  }

  #chain() {
    return cacheLLM<ChurnRequest, { readonly answer: number }>(
      (misses$) =>
        misses$.pipe(
          adaptiveThrottle(this.#limiter, { refused: 'pass', maxWait: 500, events: this.#events }),
          mergeWithConcurrency((request: ChurnRequest) => this.#answer(request), {
            maxConcurrent: 20,
            limiter: this.#limiter,
            timeout,
            maxQueue: 200,
            events: this.#events,
          }),
        ),
      { cache: this.#cache, events: this.#events },
    );
  }

  /** In bursts, over half a second. */
  #arriving(requests: readonly ChurnRequest[]): Observable<ChurnRequest> {
    const bursts: Observable<ChurnRequest>[] = [];
    for (let first = 0; first < requests.length; first += burst) {
      const at = Math.floor(500 * this.#random());
      bursts.push(timer(at, this.#scheduler).pipe(mergeMap(() => requests.slice(first, first + burst))));
    }
    return merge(...bursts);
  }

  #follow(outcomes$: Observable<CallOutcome<ChurnRequest, unknown>>): void {
    outcomes$.subscribe({
      next: () => (this.counts.outcomes += 1),
      error: (error: unknown) => {
        throw error;
      },
    });
  }

  #leave(outcomes$: Observable<CallOutcome<ChurnRequest, unknown>>): void {
    this.#follow(
      this.#waves % 2 === 0
        ? outcomes$.pipe(take(50), takeUntil(timer(400, this.#scheduler)))
        : outcomes$.pipe(takeUntil(timer(40, this.#scheduler))),
    );
  }

  /** One half in a batch, the other half one by one, of which every other is given up soon. */
  async #promises(requests: readonly ChurnRequest[]): Promise<void> {
    const call = this.#call;
    const half = requests.length / 2;
    const batch = this.#optimizer.callBatch(call, requests.slice(0, half));
    const controllers: AbortController[] = [];
    const single = requests.slice(half).map((request, index) => {
      if (index % 2 === 0) return this.#optimizer.call(call, request);
      const controller = new AbortController();
      controllers.push(controller);
      return this.#optimizer.call(call, request, { signal: controller.signal });
    });
    this.#scheduler.schedule(() => controllers.forEach((controller) => controller.abort()), 30);
    this.#scheduler.flush();
    const [outcomes, ends] = await Promise.all([batch, Promise.allSettled(single)]);
    const isGivenUp = (end: PromiseSettledResult<unknown>) =>
      end.status === 'rejected' && (end.reason as Error).name === 'AbortError';
    this.counts.outcomes += outcomes.length + ends.filter((end) => !isGivenUp(end)).length;
  }

  #pause(limiter: AdaptiveRateLimiter): void {
    this.counts.pauses += 1;
    limiter.pause();
    this.#scheduler.schedule(() => limiter.resume(), 60);
  }

  #heard(event: CallEvent): void {
    const { counts } = this;
    switch (event.type) {
      case 'received':
        counts.requests += 1;
        break;
      case 'started':
        counts.started += 1;
        break;
      case 'finished':
        if (event.result === 'succeeded') counts.succeeded += 1;
        else if (event.result === 'aborted') counts.aborted += 1;
        else if ((event.error as Error).name === 'CallTimeoutError') counts.timedOut += 1;
        break;
      case 'retrying':
        counts.retried += 1;
        break;
      case 'cache-hit':
        counts.hits += 1;
        break;
      case 'cache-miss':
        counts.joined += event.joined ? 1 : 0;
        break;
      case 'cache-evicted':
        counts.evicted += 1;
        break;
      case 'left':
        counts.left += 1;
        break;
      case 'settled':
        counts.settled += 1;
        if (!event.ok) {
          const { name } = event.error as Error;
          if (name === 'DeadlineExceededError') counts.expired += 1;
          else if (name === 'QueueOverflowError') counts.refused += 1;
        }
        break;
      default:
    }
  }
}
