import type { ProviderFeedback } from '../core/call';
import type { Clock } from '../core/clock';
import type { CallEvent, RefusalCause, RefusalsExplainedEvent } from '../core/events';
import type { FleetMember } from '../core/fleet';
import type { PriorityRank } from '../core/priority';
import type { Asks } from '../core/ticket';
import { classifyError, type ErrorClassification, type ErrorClassifier } from '../provider/classify-error';
import { meaningOfFailure } from '../provider/meaning-of-failure';
import { statedLimitsOf, type StatedLimit } from '../provider/rate-limit-headers';
import { AdmissionQueue, type StartGate } from './admission-queue';
import { Budgets, type Receipt } from './budgets';
import { joinFleet, tellRefusal, type FleetSettings } from './fleet-link';
import { tightest, type RateLimiterState } from './limiter-state';
import { everySlotTaken } from './next-start';
import { OutageBreaker } from './outage-breaker';
import { RateMeter } from './rate-meter';
import { RefusalCauses } from './refusal-causes';
import { SlidingWindowBudget } from './sliding-window-budget';
import { StartGates } from './start-gates';
import { StatedHold, type Closure } from './stated-hold';
import type { Sized } from './token-estimate';
import type { Walls } from './walls';

export interface EngineSettings extends FleetSettings {
  readonly base: number;
  readonly min: number;
  readonly max: number;
  readonly adaptive: boolean;
  /** Whether a few calls may start at once after a quiet time. */
  readonly hasBurst?: boolean;
  readonly classifyError: ErrorClassifier | undefined;
}

/** The most running calls that are remembered. */
const mostRunning = 100_000;

/** What a failed call means, for an operator that may retry it. */
export interface FailureVerdict {
  readonly kind: ErrorClassification['kind'];
  /** The number of refusals in a row that lengthen no back-off, because a share is refused at any pace. */
  readonly expectedRefusals: number;
  /** Whether the call was a probe of an outage, which costs its request no attempt. */
  readonly wasProbe: boolean;
}

/** The limiter without its RxJS face: the admission queue, with pace, hold and budgets as its gate. */
export class LimiterEngine implements StartGate, Walls {
  readonly clock: Clock;
  readonly queue: AdmissionQueue;
  /** Its membership in the fleet. */
  readonly fleet: FleetMember | undefined;
  readonly #gates: StartGates;
  readonly #causes: RefusalCauses;
  readonly #meter = new RateMeter();
  readonly #budgets = new Budgets();
  readonly #breaker = new OutageBreaker();
  readonly #classify: ErrorClassifier;
  /** What running calls have taken, by start number. */
  readonly #running = new Map<number, Receipt>();
  readonly #statedHold = new StatedHold();
  /** The error of the last refused call. */
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
    this.fleet = this.#budgets.fleet = joinFleet(settings, clock, this.queue, () => this.changed());
  }

  set isPaused(paused: boolean) {
    if (this.#gates.isPaused && this.queue.waiting > 0) {
      this.#gates.pace.activeUntil(this.clock.now());
    }
    this.#gates.isPaused = paused;
    this.queue.drain();
  }

  /** Permits whose calls have not ended, as far as is reported. */
  get outstanding(): number {
    return this.#running.size;
  }

  /** The opinion about refusals, if it has changed since the last call. */
  takeExplanation(): Omit<RefusalsExplainedEvent, 'type' | 'at'> | undefined {
    const { cause, maxRunning, learned, expectedShare } = this.#causes;
    if (!cause || (cause === this.#toldCause && maxRunning === this.#toldRunning)) {
      return undefined;
    }
    this.#toldCause = cause;
    this.#toldRunning = maxRunning;
    return {
      cause,
      share: expectedShare,
      ...(learned.isKnown && { learnedRate: learned.perSecond }),
      ...(maxRunning < Infinity && { maxRunning }),
    };
  }

  /** The current state. Reading it changes nothing. */
  get state(): RateLimiterState {
    const now = this.clock.now();
    const { queue } = this;
    const { pace, isPaused } = this.#gates;
    const { learned, expectedShare, cause, maxRunning, wall } = this.#causes;
    const isHeld = wall.until > now;
    const probeAt = this.#breaker.isOpen ? this.#breaker.opensAt(now) : now;
    const heldUntil = isHeld ? wall.until : probeAt;
    const holdReason = isHeld ? 'rate-limited' : this.#breaker.isOpen ? 'overloaded' : undefined;
    const { head } = queue;
    const next =
      head === 'no-slot'
        ? everySlotTaken
        : head && this.#gates.explain({ ...head, receipt: this.#receiptOf(head.id) }, now);
    const budgets = this.#budgets.states(now, this.#running.values());
    return {
      currentInterval: Math.max(pace.interval(now), learned.spacing),
      callRate: this.#meter.rate(now),
      queued: queue.waiting + queue.backingOff,
      queuedByPriority: {
        low: queue.waitingOf(0),
        medium: queue.waitingOf(1),
        high: queue.waitingOf(2),
        critical: queue.waitingOf(3),
      },
      isPaused,
      ...(heldUntil > now && heldUntil < Infinity && { heldUntil }),
      ...(holdReason && { holdReason }),
      ...(next && { next }),
      refusedShare: expectedShare,
      ...(cause && { refusalCause: cause }),
      ...(learned.isKnown && { learnedRate: learned.perSecond }),
      ...(maxRunning < Infinity && { maxRunning }),
      budgets,
      ...tightest(budgets),
      ...(this.fleet && { fleet: this.fleet.state }),
    };
  }

  opensAt(rank: PriorityRank, request: Sized, asks: Asks, now: number, id?: number): number {
    return this.#gates.opensAt({ rank, request, asks, receipt: this.#receiptOf(id) }, now);
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
      // This also logs the start.
      this.#remember(id, this.#budgets.take(request, now, asks !== 'permit'));
    }
  }

  /** Returns the reservation of a permit that was not used, or of a call that failed or was abandoned. */
  forget(id: number): void {
    const receipt = this.#running.get(id);
    if (receipt) {
      this.#budgets.giveBack(receipt);
    }
    this.#end(id);
  }

  /** A permit was released without a report: the call did not fail, but the pace learns nothing. */
  released(id: number, startedAt: number): void {
    this.#breaker.succeeded(id);
    if (startedAt === this.clock.now()) {
      // A call cannot end in the millisecond of its start, so it was not made.
      this.forget(id);
    } else {
      this.#end(id);
    }
  }

  /** Learns from the event of a call. */
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

  /** Learns, but starts nothing. The caller drains after all listeners are told. */
  succeeded(id: number, startedAt: number, now: number): void {
    this.#breaker.succeeded(id);
    this.#gates.isHeard = true;
    this.#causes.letThrough(id, startedAt, now);
    this.fleet?.passed();
    // If no usage was reported, the reservation is the best estimate of it.
    this.#end(id);
  }

  /**
   * Learns, but starts nothing. The caller drains after all listeners are told.
   *
   * @param mayBeAborted whether the code that reports the end may have aborted the call
   */
  failed(id: number, error: unknown, startedAt: number, mayBeAborted = false): FailureVerdict {
    const now = this.clock.now();
    const classification = meaningOfFailure(error, this.#classify, this.clock.date(), mayBeAborted);
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
        // A refusal is an answer, so this is no outage.
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

  statedHold(time: number): number {
    return this.#statedHold.before(time);
  }

  get closure(): Closure | undefined {
    const closure = this.#statedHold.closure(this.clock);
    // If a call is let through, the stated closure was wrong.
    return closure && closure.until <= this.#causes.wall.until ? closure : undefined;
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

  /** Drains the queue once after several changes. */
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

  /** Remembers what a call has taken. The oldest call is forgotten if there are too many. */
  #remember(id: number, receipt: Receipt): void {
    // A Map keeps insertion order; delete first, so that a retry comes last.
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
    tellRefusal(this.fleet, this.#causes.wall, receipt, now);
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
