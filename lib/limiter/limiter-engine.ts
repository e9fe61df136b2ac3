import type { ProviderFeedback } from '../core/call';
import type { Clock } from '../core/clock';
import type { CallEvent, RefusalCause, RefusalsExplainedEvent } from '../core/events';
import type { PriorityRank } from '../core/priority';
import type { Asks } from '../core/ticket';
import { classifyError, type ErrorClassification, type ErrorClassifier } from '../provider/classify-error';
import { meaningOfFailure } from '../provider/meaning-of-failure';
import { statedLimitsOf, type LimitedDimension, type StatedLimit } from '../provider/rate-limit-headers';
import { AdmissionQueue, type StartGate } from './admission-queue';
import { Budgets, type Receipt } from './budgets';
import type { BudgetState } from './limit-budget';
import { everySlotTaken, type NextStart } from './next-start';
import { OutageBreaker } from './outage-breaker';
import { RateMeter } from './rate-meter';
import { RefusalCauses } from './refusal-causes';
import { SlidingWindowBudget, type KnownLimit } from './sliding-window-budget';
import { StartGates } from './start-gates';
import { StatedHold, type Closure } from './stated-hold';
import type { Sized } from './token-estimate';
import type { Walls } from './walls';

export interface EngineSettings {
  readonly base: number;
  readonly min: number;
  readonly max: number;
  readonly adaptive: boolean;
  /** Whether a few calls may start at once after a time of quiet. */
  readonly hasBurst?: boolean;
  /** Limits that the user gives. */
  readonly budgets: readonly KnownLimit[];
  readonly classifyError: ErrorClassifier | undefined;
}

/** Calls that may run at once. */
const mostRunning = 100_000;

/** Why nothing may start at the moment. */
export type HoldReason = 'rate-limited' | 'overloaded';

/** What the limiter makes of a failed call, for whoever may try it again. */
export interface FailureVerdict {
  /** What the error means. */
  readonly kind: ErrorClassification['kind'];
  /** How many refusals in a row the share explains that is refused whatever the pace: they lengthen no back-off. */
  readonly expectedRefusals: number;
  /** Whether the call was to find out if an outage is over: that costs its request no attempt. */
  readonly wasProbe: boolean;
}

/** The limiter without its RxJS face: the admission queue with pace, hold and budgets as its gate. */
export class LimiterEngine implements StartGate, Walls {
  readonly clock: Clock;
  readonly queue: AdmissionQueue;
  readonly #gates: StartGates;
  readonly #causes: RefusalCauses;
  readonly #meter = new RateMeter();
  readonly #budgets = new Budgets();
  readonly #breaker = new OutageBreaker();
  readonly #classify: ErrorClassifier;
  /** What the calls that run have taken; each one is numbered as it is among the starts. */
  readonly #running = new Map<number, Receipt>();
  readonly #statedHold = new StatedHold();
  /** What the last call was refused with. */
  #lastRefusal: unknown;
  #toldCause: RefusalCause | undefined;
  #toldRunning = Infinity;
  #isDrainDue = false;

  constructor(settings: EngineSettings, clock: Clock) {
    this.clock = clock;
    this.#causes = new RefusalCauses(settings);
    this.#gates = new StartGates(settings, this.#causes, this.#budgets, this.#breaker);
    this.#classify = settings.classifyError ?? classifyError;
    for (const known of settings.budgets) {
      this.#budgets.add(new SlidingWindowBudget(known));
    }
    this.queue = new AdmissionQueue(clock, this, this);
  }

  get isPaused(): boolean {
    return this.#gates.isPaused;
  }

  set isPaused(paused: boolean) {
    if (this.#gates.isPaused && this.queue.waiting > 0) {
      this.#gates.pace.activeUntil(this.clock.now());
    }
    this.#gates.isPaused = paused;
    this.queue.drain();
  }

  get currentInterval(): number {
    return Math.max(this.#gates.pace.interval(this.clock.now()), this.#causes.learned.spacing);
  }

  /** Permits whose calls have not ended, as far as it has heard. */
  get outstanding(): number {
    return this.#running.size;
  }

  get callRate(): number {
    return this.#meter.rate(this.clock.now());
  }

  /** Starts per second that refusals have taught; 0 for none. */
  get learnedRate(): number {
    return this.#causes.learned.perSecond;
  }

  /** The share of calls that is refused whatever the pace. */
  get refusedShare(): number {
    return this.#causes.expectedShare;
  }

  /** What the last refusals were put down to. */
  get refusalCause(): RefusalCause | undefined {
    return this.#causes.cause;
  }

  /** Calls that may run at once, as refusals taught; `Infinity` for no bound. */
  get maxRunning(): number {
    return this.#causes.maxRunning;
  }

  /** The opinion about refusals if it has changed since it was last taken. */
  takeExplanation(): Omit<RefusalsExplainedEvent, 'type' | 'at'> | undefined {
    const { refusalCause: cause, maxRunning, learnedRate } = this;
    if (!cause || (cause === this.#toldCause && maxRunning === this.#toldRunning)) {
      return undefined;
    }
    this.#toldCause = cause;
    this.#toldRunning = maxRunning;
    return {
      cause,
      share: this.refusedShare,
      ...(learnedRate > 0 && { learnedRate }),
      ...(maxRunning < Infinity && { maxRunning }),
    };
  }

  get heldUntil(): number | undefined {
    const now = this.clock.now();
    if (this.#causes.heldUntil(now) > now) {
      return this.#causes.heldUntil(now);
    }
    const probeAt = this.#breaker.isOpen ? this.#breaker.opensAt(now) : now;
    return probeAt > now && probeAt < Infinity ? probeAt : undefined;
  }

  get holdReason(): HoldReason | undefined {
    const now = this.clock.now();
    if (this.#causes.heldUntil(now) > now) {
      return 'rate-limited';
    }
    return this.#breaker.isOpen ? 'overloaded' : undefined;
  }

  get budgets(): BudgetState[] {
    return this.#budgets.states(this.clock.now());
  }

  /** The tightest limit by the minute of what it counts. */
  budgetOf(counted: LimitedDimension): { perMinute: number; remaining: number } | undefined {
    const now = this.clock.now();
    let tightest: { perMinute: number; remaining: number } | undefined;
    for (const { dimension, window, limit, remaining } of this.#budgets.states(now)) {
      const perMinute = (limit * 60_000) / window;
      const isByTheMinute = dimension === counted && window <= 60_000;
      if (isByTheMinute && (!tightest || perMinute < tightest.perMinute)) {
        tightest = { perMinute, remaining };
      }
    }
    return tightest;
  }

  opensAt(rank: PriorityRank, request: Sized, asks: Asks, now: number, id?: number): number {
    return this.#gates.opensAt({ rank, request, asks, receipt: this.#receiptOf(id) }, now);
  }

  /** What the next request waits for; undefined where none waits, or none has to. */
  get next(): NextStart | undefined {
    const { head } = this.queue;
    if (!head) {
      return undefined;
    }
    if (head === 'no-slot') {
      return everySlotTaken;
    }
    return this.#gates.explain({ ...head, receipt: this.#receiptOf(head.id) }, this.clock.now());
  }

  pass(_rank: PriorityRank, request: Sized, asks: Asks, now: number, id: number): void {
    this.#gates.passed(asks, now);
    if (asks !== 'permit') {
      this.#breaker.started(id, now);
      this.#causes.started(id, this.#budgets.relativeSize(request), now);
    }
    if (asks === 'start') {
      const receipt = this.#running.get(id);
      if (receipt) {
        this.#budgets.started(receipt, now);
      }
    } else {
      this.#meter.add(now);
      // Which also notes it among the starts.
      this.#remember(id, this.#budgets.take(request, now, asks !== 'permit'));
    }
  }

  /** A permit was given back unused, or its call failed or was abandoned: what it had reserved is given back. */
  forget(id: number): void {
    const receipt = this.#running.get(id);
    if (receipt) {
      this.#budgets.giveBack(receipt);
    }
    this.#end(id);
  }

  /** A permit was given back in silence: which teaches no pace, but that the call did not fail. */
  released(id: number, startedAt: number): void {
    this.#breaker.succeeded(id);
    if (startedAt === this.clock.now()) {
      // No call is over in the moment in which it starts: this one was not made.
      this.forget(id);
    } else {
      this.#end(id);
    }
  }

  /** Learns from what happened to a call. */
  observe(event: CallEvent): void {
    switch (event.type) {
      case 'feedback':
        this.heard(event.id, event.feedback, event.startedAt);
        break;
      case 'finished':
        if (event.result === 'succeeded') {
          this.succeeded(event.id, event.startedAt, this.clock.now());
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
  succeeded(id: number, startedAt: number, now: number): void {
    this.#breaker.succeeded(id);
    this.#gates.isHeard = true;
    this.#causes.letThrough(id, startedAt, now);
    // What it reserved is the best that is known of what it used, if it did not report that.
    this.#end(id);
  }

  /**
   * Learns, and starts nothing: the caller drains when it has told everybody who may react.
   *
   * @param mayBeAborted whether the call may have been aborted by who reports its end
   */
  failed(id: number, error: unknown, startedAt: number, mayBeAborted = false): FailureVerdict {
    const now = this.clock.now();
    const classification = meaningOfFailure(error, this.#classify, mayBeAborted);
    const wasProbe = this.#breaker.hasProbed(startedAt);
    switch (classification.kind) {
      case 'wait':
        this.#refused(id, classification, startedAt, now);
        break;
      case 'overloaded':
      case 'transient':
        this.#gates.isHeard = true;
        this.#breaker.failed(id, now);
        break;
      case 'stop':
        // Whoever says no is there.
        this.#breaker.succeeded(id);
        break;
      default:
    }
    this.forget(id);
    if (classification.kind === 'wait' || classification.kind === 'overloaded') {
      this.#noteRefusal(classification, error, now);
    }
    return { kind: classification.kind, expectedRefusals: this.#causes.expectedRefusals, wasProbe };
  }

  // --- What refusals mean for those who wait -------------------------------------------------------------------------

  statedHold(time: number): number {
    return this.#statedHold.before(time);
  }

  get closure(): Closure | undefined {
    const closure = this.#statedHold.closure(this.clock);
    // A call that is let through all the same proves what was said wrong.
    return closure && closure.until <= this.#causes.heldUntil(this.clock.now()) ? closure : undefined;
  }

  get wall(): { since: number; cause: unknown } | undefined {
    const { since } = this.#causes.wall;
    return since === undefined ? undefined : { since, cause: this.#lastRefusal };
  }

  #noteRefusal({ retryAfter }: ErrorClassification, error: unknown, now: number): void {
    this.#lastRefusal = error;
    if (retryAfter !== undefined && this.#causes.wall.isStated) {
      this.#statedHold.asked(now, retryAfter, error);
    }
    this.queue.giveUpHopeless();
  }

  // -------------------------------------------------------------------------------------------------------------------

  heard(id: number, feedback: ProviderFeedback, startedAt: number): void {
    const now = this.clock.now();
    const receipt = this.#running.get(id);
    if (feedback.usage) {
      this.#budgets.used(feedback.usage, receipt, startedAt);
    }
    if (feedback.headers) {
      this.#stated(statedLimitsOf(feedback.headers, this.clock.date()), receipt, startedAt, now);
    }
    this.changed();
  }

  /** Many things change at once when a call ends; one drain serves them all. */
  changed(): void {
    if (!this.#isDrainDue && !this.queue.isIdle) {
      this.#isDrainDue = true;
      try {
        this.queue.drain();
      } finally {
        this.#isDrainDue = false;
      }
    }
  }

  /** Remembers what a call has taken; of too many the oldest is taken for a call whose end is never heard. */
  #remember(id: number, receipt: Receipt): void {
    // A Map keeps the order in which keys came: one that begins anew comes last.
    this.#running.delete(id);
    this.#running.set(id, receipt);
    if (this.#running.size > mostRunning) {
      const [oldest] = this.#running.keys();
      this.#running.delete(oldest!);
    }
  }

  #end(id: number): void {
    const receipt = this.#running.get(id);
    if (receipt) {
      this.#budgets.ended(receipt);
    }
    this.#running.delete(id);
    this.#causes.ended(id);
    this.#breaker.forget(id);
  }

  #receiptOf(id: number | undefined): Receipt | undefined {
    return id === undefined ? undefined : this.#running.get(id);
  }

  #refused(id: number, classification: ErrorClassification, startedAt: number, now: number): void {
    const { limits = [], retryAfter, period } = classification;
    const receipt = this.#running.get(id);
    this.#stated(limits, receipt, startedAt, now);
    this.#breaker.succeeded(id);
    this.#gates.isHeard = true;
    this.#causes.refused({ id, startedAt, retryAfter, period, statedSpacing: this.#budgets.spacing }, now);
    this.#gates.pace.activeUntil(this.#causes.wall.until);
  }

  #stated(
    limits: readonly StatedLimit[],
    receipt: Receipt | undefined,
    startedAt: number,
    now: number,
  ): void {
    const isNews = limits.length > 0 && this.#budgets.stated(limits, startedAt, receipt, now);
    if (isNews && this.#gates.pace.stated(this.#budgets.spacing)) {
      this.#causes.forget();
    }
  }
}
