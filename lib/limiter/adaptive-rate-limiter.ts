import { Observable, type SchedulerLike } from 'rxjs';
import type { ProviderFeedback } from '../core/call';
import { ClosedError, QueueOverflowError } from '../core/errors';
import type { CallEvent, CallEventListener } from '../core/events';
import type { Fleet } from '../core/fleet';
import { guarded } from '../core/listener';
import { defaultRank, prioritiesByRank, rankOf, type CallPriority } from '../core/priority';
import { clockFrom } from '../core/scheduler-clock';
import {
  choiceSetting,
  configObject,
  fleetSetting,
  functionSetting,
  listenerSetting,
  numberSetting,
  switchSetting,
  type FieldsOf,
} from '../core/settings';
import { Ticket, type TicketOwner } from '../core/ticket';
import { readTraits, type CallTraits } from '../core/traits';
import type { ErrorClassifier } from '../provider/classify-error';
import { knownLimitsOf, type KnownLimits } from './known-limits';
import type { RateLimiterState } from './limiter-state';
import { SlotPool } from './slot-pool';
import { engineOf } from './engine-of';
import { LimiterEngine } from './limiter-engine';

const fields: FieldsOf<RateLimiterConfig> = {
  baseInterval: true,
  minInterval: true,
  maxInterval: true,
  adaptive: true,
  limits: true,
  maxQueue: true,
  overflow: true,
  classifyError: true,
  fleet: true,
  events: true,
  scheduler: true,
};

/** What a full queue does with a new request: refuse it, or drop the oldest of the lowest priority for it. */
export type OverflowPolicy = 'reject' | 'drop-oldest';

/** The config of an {@link AdaptiveRateLimiter}. */
export interface RateLimiterConfig {
  /**
   * Milliseconds between starts of MEDIUM requests, at first and after a minute of quiet. Without a value, a fresh
   * limiter lets four requests start at once.
   * @defaultValue 50
   */
  readonly baseInterval?: number | undefined;
  /** Milliseconds that the interval never shrinks below. @defaultValue 0 */
  readonly minInterval?: number | undefined;
  /** Milliseconds that the interval never grows above. @defaultValue 30,000 */
  readonly maxInterval?: number | undefined;
  /** Whether the interval adapts to the results of calls. @defaultValue true */
  readonly adaptive?: boolean | undefined;
  /** Limits that you know beforehand; limits in the provider's headers need no setting. @defaultValue none */
  readonly limits?: KnownLimits | undefined;
  /** Requests that may wait; further ones are refused. @defaultValue `Infinity` */
  readonly maxQueue?: number | undefined;
  /**
   * Which request a full queue refuses: the new one (`reject`), or the oldest of the lowest priority (`drop-oldest`).
   * @defaultValue `reject`
   */
  readonly overflow?: OverflowPolicy | undefined;
  /** Says what the error of a call means. @defaultValue `classifyError` */
  readonly classifyError?: ErrorClassifier | undefined;
  /** The processes that share the limits, made by `redisFleet` of `rxllm/redis`. @defaultValue none */
  readonly fleet?: Fleet | undefined;
  /** Receives an event when the fleet is bypassed and when it is restored. @defaultValue none */
  readonly events?: CallEventListener | undefined;
  /** The scheduler whose time is used. @defaultValue `asyncScheduler` */
  readonly scheduler?: SchedulerLike | undefined;
}

/** The right to start one call now. */
export interface Permit {
  /** Ends the call, or gives the permit back if no call was made. */
  release(): void;
  /** Passes on what the provider said about the call: headers, usage, or the error that the call failed with. */
  report(feedback: ProviderFeedback & { readonly error?: unknown }): void;
}

/**
 * Decides when calls may start: one queue, one interval and one set of budgets for all pipelines that share it.
 *
 * A request starts on arrival if the last start is at least `currentInterval` times its priority's multiplier ago (LOW
 * 1.5, MEDIUM 1, HIGH 0.7, CRITICAL 0.3), else as soon as that is so and its turn has come. Successful calls shrink the
 * interval while requests wait. A limit in the provider's headers sets it at once and is never passed. Refusals (429)
 * are counted until their cause is known. If the pace is too fast, the limiter learns the rate that the provider
 * accepts; if too many calls run, it learns how many may run at once. All requests are held only while the provider
 * lets nothing through, or asks for a wait before it has answered any call. A call that is shed, or refused for its own
 * content, backs off alone. When most calls fail (5xx), single probes find out when the outage is over. `state.next`
 * says what the next request waits for. Times are milliseconds.
 *
 * ```
 * baseInterval: 3, adaptive: false
 * requests  abc|
 * starts    a--b--c
 * ```
 *
 * @example
 * const limiter = new AdaptiveRateLimiter({ baseInterval: 500 });
 * tickets$.pipe(mergeWithConcurrency(classify, { maxConcurrent: 5, limiter }));
 *
 * @throws TypeError or RangeError if the config has a wrong value
 */
export class AdaptiveRateLimiter {
  /** @internal */
  readonly [engineOf]: LimiterEngine;
  /** @internal */
  readonly maxQueue: number;
  /** @internal */
  readonly overflow: OverflowPolicy;
  readonly #permits = new SlotPool(Infinity);
  readonly #waiting = new Set<PermitRequest>();
  #isClosed = false;
  constructor(config?: RateLimiterConfig) {
    const settings: RateLimiterConfig = configObject('AdaptiveRateLimiter', config, fields);
    const base = numberSetting('baseInterval', settings.baseInterval, 50);
    const min = numberSetting('minInterval', settings.minInterval, 0);
    const max = numberSetting('maxInterval', settings.maxInterval, 30_000);
    if (settings.minInterval !== undefined && min > base && settings.baseInterval !== undefined) {
      throw new RangeError(`minInterval (${min}) must not be above baseInterval (${base}).`);
    }
    if (settings.maxInterval !== undefined && max < base && settings.baseInterval !== undefined) {
      throw new RangeError(`maxInterval (${max}) must not be below baseInterval (${base}).`);
    }
    if (max < min && settings.maxInterval !== undefined && settings.minInterval !== undefined) {
      throw new RangeError(`maxInterval (${max}) must not be below minInterval (${min}).`);
    }
    // If one bound or the base is not given, it yields to those that are.
    const start = settings.baseInterval ?? Math.min(Math.max(base, min), settings.maxInterval ?? Infinity);
    this.maxQueue = numberSetting('maxQueue', settings.maxQueue, Infinity, { whole: true, infinite: true });
    this.overflow = choiceSetting('overflow', settings.overflow, 'reject', ['reject', 'drop-oldest']);
    const adaptive = switchSetting('adaptive', settings.adaptive, true);
    this[engineOf] = new LimiterEngine(
      {
        base: start,
        min: Math.min(min, start),
        max: Math.max(max, start),
        hasBurst: settings.baseInterval === undefined && adaptive,
        adaptive,
        budgets: knownLimitsOf(settings.limits),
        classifyError: functionSetting('classifyError', settings.classifyError),
        fleet: fleetSetting(settings.fleet),
        events: guarded(listenerSetting('events', settings.events)),
      },
      clockFrom(settings.scheduler),
    );
  }

  /**
   * Waits for the right to start one call, for code that does not use the operators. Emits one permit and completes;
   * unsubscribing before that gives the place up. Fails with `QueueOverflowError`, `DeadlineExceededError`,
   * `QuotaSpentError`, or, after `close()`, `ClosedError`.
   *
   * @example
   * limiter.acquire(CallPriority.HIGH).pipe(
   *   mergeMap((permit) => callModel(prompt).pipe(finalize(() => permit.release()))),
   * );
   */
  acquire(priorityOrTraits?: CallPriority | CallTraits): Observable<Permit> {
    const traits: CallTraits =
      typeof priorityOrTraits === 'object'
        ? priorityOrTraits
        : priorityOrTraits
          ? { priority: priorityOrTraits }
          : {};
    const rank = traits.priority === undefined ? defaultRank : rankOf(traits.priority);
    if (rank === undefined) {
      throw new TypeError(
        `acquire() takes a priority (${prioritiesByRank.join(', ')}) or traits, but got '${String(traits.priority)}'.`,
      );
    }
    return new Observable((subscriber) => {
      const engine = this[engineOf];
      if (this.#isClosed) {
        subscriber.error(new ClosedError('The AdaptiveRateLimiter'));
        return;
      }
      const now = engine.clock.now();
      const ticket = new Ticket<unknown>(undefined, now);
      ticket.rank = rank;
      const { lane, tokens, maxWait } = readTraits(traits);
      ticket.lane = lane;
      ticket.tokens = tokens;
      ticket.deadline = now + (maxWait ?? Infinity);
      ticket.asks = 'permit-and-start';
      const request: PermitRequest = {
        cancelled: () => undefined,
        raised: () => undefined,
        start: (_ticket, startedAt) => {
          this.#waiting.delete(request);
          this.#permits.release(startedAt);
          subscriber.next(this.#permitOf(ticket.id, startedAt));
          subscriber.complete();
        },
        expired: (_ticket, error) => request.fail(error),
        fail: (error) => {
          this.#waiting.delete(request);
          engine.queue.remove(ticket);
          subscriber.error(error);
          engine.queue.drain();
        },
      };
      const isFull =
        engine.queue.waiting >= this.maxQueue &&
        !engine.queue.wouldStart(this.#permits, rank, ticket, ticket.asks);
      if (isFull && !this.#makeRoom(rank)) {
        subscriber.error(new QueueOverflowError(this.maxQueue));
        return;
      }
      if (subscriber.closed) {
        // The request dropped to make room had made this subscriber leave.
        return;
      }
      this.#waiting.add(request);
      subscriber.add(() => {
        this.#waiting.delete(request);
        if (engine.queue.remove(ticket)) {
          engine.queue.drain();
        }
      });
      engine.queue.add(ticket, this.#permits, request, engine.clock.now());
      engine.queue.drain();
    });
  }

  /** Learns from an event, such as one of a call that runs without this limiter. */
  observe(event: CallEvent): void {
    this[engineOf].observe(event);
  }

  /** Stops starts until `resume()`. Running calls go on. */
  pause(): void {
    this[engineOf].isPaused = true;
  }

  /** Ends a `pause()`. */
  resume(): void {
    this[engineOf].isPaused = false;
  }

  /** The current state of the limiter. */
  get state(): RateLimiterState {
    return this[engineOf].state;
  }

  /** Fails all present and later `acquire()` subscribers with `ClosedError`. Pipelines of the operators go on. */
  close(): void {
    this.#isClosed = true;
    this[engineOf].fleet?.leave();
    for (const request of [...this.#waiting]) {
      request.fail(new ClosedError('The AdaptiveRateLimiter'));
    }
  }

  #makeRoom(rank: 0 | 1 | 2 | 3): boolean {
    if (this.overflow === 'reject') {
      return false;
    }
    const dropped = this[engineOf].queue.takeOldest(this.#permits, rank);
    if (!dropped) {
      return false;
    }
    (dropped.owner as PermitRequest).fail(new QueueOverflowError(this.maxQueue));
    return true;
  }

  #permitOf(id: number, startedAt: number): Permit {
    const engine = this[engineOf];
    let isOver = false;
    let isHeard = false;
    return {
      release: () => {
        if (!isOver) {
          isOver = true;
          // A call without a report is no success, so it does not adapt the interval.
          if (isHeard) {
            engine.succeeded(id, startedAt, engine.clock.now());
          } else {
            engine.released(id, startedAt);
          }
          engine.changed();
        }
      },
      report: (feedback) => {
        if (!isOver) {
          isHeard = true;
          engine.heard(id, feedback, startedAt);
          if (feedback.error !== undefined) {
            isOver = true;
            engine.failed(id, feedback.error, startedAt, true);
            engine.changed();
          }
        }
      },
    };
  }
}

/** A waiting subscriber of `acquire()`. */
interface PermitRequest extends TicketOwner {
  fail(error: unknown): void;
}
