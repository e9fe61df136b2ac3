import type { ProviderFeedback } from '../core/call';
import type { Clock } from '../core/clock';
import type { CallEvent } from '../core/events';
import { waitMultipliers, type PriorityRank } from '../core/priority';
import type { Asks } from '../core/ticket';
import { classifyError, type ErrorClassifier } from '../provider/classify-error';
import { statedLimitsOf } from '../provider/rate-limit-headers';
import { AdmissionQueue, type StartGate } from './admission-queue';
import { Budget } from './budget';
import { RateController } from './rate-controller';
import { RateMeter } from './rate-meter';

export interface EngineSettings {
  readonly base: number;
  readonly min: number;
  readonly max: number;
  readonly adaptive: boolean;
  readonly requestsPerMinute: number | undefined;
  readonly tokensPerMinute: number | undefined;
  readonly classifyError: ErrorClassifier | undefined;
}

/** What the limiter remembers of a running call, to settle and to read its headers rightly. */
interface Running {
  /** Tokens reserved and not settled yet. */
  reserved: number;
  readonly requestsTaken: number;
  readonly tokensTaken: number;
}

/** Why nothing may start at the moment. */
export type HoldReason = 'rate-limited' | 'overloaded';

/** The longest hold for refusals that say nothing about how long to wait. */
const longestOwnHold = 60_000;

/** A day, after which even a daily quota is there again; no header may stop everybody for longer. */
const longestHold = 86_400_000;

/** Share of the newest usage in the running mean that token reservations are made by. */
const usageSmoothing = 0.2;

const minute = 60_000;

/** Calls that may run at once before the limiter forgets the oldest: those whose end it never heard of. */
const mostRunning = 100_000;

/** The limiter without its RxJS face: the admission queue with pace, hold and budgets as its gate. */
export class LimiterEngine implements StartGate {
  readonly clock: Clock;
  readonly queue: AdmissionQueue;
  readonly #controller: RateController;
  readonly #meter = new RateMeter();
  readonly #classify: ErrorClassifier;
  readonly #running = new Map<number, Running>();
  #requests: Budget | undefined;
  #tokens: Budget | undefined;
  #meanTokens = 0;
  #lastPermitAt = -Infinity;
  #lastStartAt = -Infinity;
  #holdUntil = -Infinity;
  #holdReason: HoldReason | undefined;
  #isPaused = false;
  #isDrainDue = false;

  constructor(settings: EngineSettings, clock: Clock) {
    this.clock = clock;
    this.#controller = new RateController(settings);
    this.#classify = settings.classifyError ?? classifyError;
    const now = clock.now();
    if (settings.requestsPerMinute !== undefined) {
      const perSecond = Math.max(1, settings.requestsPerMinute / 60);
      this.#requests = new Budget(settings.requestsPerMinute, minute, perSecond, now);
    }
    if (settings.tokensPerMinute !== undefined) {
      this.#tokens = new Budget(settings.tokensPerMinute, minute, settings.tokensPerMinute, now);
    }
    this.queue = new AdmissionQueue(clock, this);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(paused: boolean) {
    if (this.#isPaused && this.queue.waiting > 0) {
      this.#controller.activeUntil(this.clock.now());
    }
    this.#isPaused = paused;
    this.queue.drain();
  }

  get currentInterval(): number {
    return this.#controller.interval(this.clock.now());
  }

  get callRate(): number {
    return this.#meter.rate(this.clock.now());
  }

  get heldUntil(): number | undefined {
    return this.#holdUntil > this.clock.now() ? this.#holdUntil : undefined;
  }

  get holdReason(): HoldReason | undefined {
    return this.heldUntil === undefined ? undefined : this.#holdReason;
  }

  get requestBudget(): { perMinute: number; remaining: number } | undefined {
    return this.#stateOf(this.#requests);
  }

  get tokenBudget(): { perMinute: number; remaining: number } | undefined {
    return this.#stateOf(this.#tokens);
  }

  opensAt(rank: PriorityRank, tokens: number | undefined, asks: Asks, now: number): number {
    this.#controller.active(now);
    if (this.#isPaused) {
      return Infinity;
    }
    let opens = this.#holdUntil;
    const wait = this.#controller.interval(now) * waitMultipliers[rank];
    if (asks !== 'permit') {
      opens = Math.max(opens, this.#lastStartAt + wait);
    }
    if (asks !== 'start') {
      opens = Math.max(opens, this.#lastPermitAt + wait);
      if (this.#requests) {
        opens = Math.max(opens, this.#requests.opensAt(1, now));
      }
      if (this.#tokens) {
        opens = Math.max(opens, this.#tokens.opensAt(tokens ?? this.#meanTokens, now));
      }
    }
    // Whoever waits for this is no sign of quiet, however long it takes.
    this.#controller.activeUntil(opens);
    return opens;
  }

  pass(_rank: PriorityRank, tokens: number | undefined, asks: Asks, now: number, id: number): void {
    if (asks !== 'permit') {
      this.#lastStartAt = now;
    }
    if (asks !== 'start') {
      this.#lastPermitAt = now;
      this.#meter.add(now);
      const reserved = tokens ?? this.#meanTokens;
      this.#requests?.take(1, now);
      this.#tokens?.take(reserved, now);
      this.#running.set(id, {
        reserved,
        requestsTaken: this.#requests?.taken ?? 0,
        tokensTaken: this.#tokens?.taken ?? 0,
      });
      if (this.#running.size > mostRunning) {
        const [oldest] = this.#running.keys();
        this.#running.delete(oldest!);
      }
    }
  }

  /** A permit was given back unused, or its call is over. */
  forget(id: number): void {
    this.#running.delete(id);
  }

  /** Learns from what happened to a call. */
  observe(event: CallEvent): void {
    switch (event.type) {
      case 'feedback':
        this.heard(event.id, event.feedback, event.startedAt);
        break;
      case 'finished':
        if (event.result === 'succeeded') {
          this.succeeded(event.id, event.startedAt);
        } else if (event.result === 'failed') {
          this.failed(event.id, event.error, event.startedAt);
        } else {
          this.forget(event.id);
        }
        this.changed();
        break;
      default:
    }
  }

  /** Learns, and starts nothing: the caller drains when it has told everybody who may react. */
  succeeded(id: number, startedAt: number): void {
    this.forget(id);
    const now = this.clock.now();
    this.#controller.succeeded(startedAt, this.queue.waiting > 0, now);
  }

  /** Learns, and starts nothing: the caller drains when it has told everybody who may react. */
  failed(id: number, error: unknown, startedAt: number): void {
    const { kind, retryAfter } = this.#classificationOf(error);
    if (kind === 'wait' || kind === 'overloaded') {
      const now = this.clock.now();
      const episodes = this.#controller.refused(startedAt, this.callRate, now);
      const ownHold = episodes > 0 ? Math.min(longestOwnHold, 1000 * 2 ** (episodes - 1)) : 0;
      const hold = Math.min(longestHold, retryAfter !== undefined && retryAfter > 0 ? retryAfter : ownHold);
      this.#holdUntil = Math.max(this.#holdUntil, now + hold);
      this.#controller.activeUntil(this.#holdUntil);
      this.#holdReason = kind === 'wait' ? 'rate-limited' : 'overloaded';
    }
    this.forget(id);
  }

  heard(id: number, feedback: ProviderFeedback, startedAt: number): void {
    const now = this.clock.now();
    const running = this.#running.get(id);
    // A provider that states what is left has counted this call already.
    let isStated = false;
    if (feedback.headers) {
      const { requests, tokens } = statedLimitsOf(feedback.headers);
      if (requests) {
        this.#requests ??= new Budget(requests.limit, requests.window, requests.limit, now);
        const takenSince = running ? this.#requests.taken - running.requestsTaken : 0;
        this.#requests.sync(requests, startedAt, takenSince, now);
        this.#controller.stated(this.#requests.perMinute);
      }
      if (tokens) {
        isStated = true;
        this.#tokens ??= new Budget(tokens.limit, tokens.window, tokens.limit, now);
        const takenSince = running ? this.#tokens.taken - running.tokensTaken : 0;
        this.#tokens.sync(tokens, startedAt, takenSince, now);
      }
    }
    const { usage } = feedback;
    if (usage) {
      const used = (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
      if (used > 0) {
        this.#meanTokens += (used - this.#meanTokens) * (this.#meanTokens === 0 ? 1 : usageSmoothing);
        if (running && !isStated) {
          this.#tokens?.settle(running.reserved, used);
          // A second report of the same call is for further tokens.
          running.reserved = 0;
        }
      }
    }
    this.changed();
  }

  /**
   * Milliseconds that everybody is held, if an error is one that the limiter holds for: then its request need not back
   * off by itself.
   */
  heldFor(error: unknown): number | undefined {
    const { kind } = this.#classificationOf(error);
    return kind === 'wait' || kind === 'overloaded'
      ? Math.max(0, this.#holdUntil - this.clock.now())
      : undefined;
  }

  #classificationOf(error: unknown): ReturnType<ErrorClassifier> {
    try {
      return this.#classify(error);
    } catch {
      return { kind: 'unknown' };
    }
  }

  /** Many things change at once when a call ends; one drain serves them all. */
  changed(): void {
    if (!this.#isDrainDue && this.queue.waiting > 0) {
      this.#isDrainDue = true;
      try {
        this.queue.drain();
      } finally {
        this.#isDrainDue = false;
      }
    }
  }

  #stateOf(budget: Budget | undefined): { perMinute: number; remaining: number } | undefined {
    return budget && { perMinute: budget.perMinute, remaining: budget.remaining(this.clock.now()) };
  }
}
