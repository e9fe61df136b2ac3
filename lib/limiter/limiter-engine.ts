import type { ProviderFeedback } from '../core/call';
import type { Clock } from '../core/clock';
import type { CallEvent } from '../core/events';
import { prioritiesByRank, waitMultipliers, type PriorityRank } from '../core/priority';
import type { Asks } from '../core/ticket';
import { classifyError, type ErrorClassification, type ErrorClassifier } from '../provider/classify-error';
import { statedLimitsOf, type LimitedDimension, type StatedLimit } from '../provider/rate-limit-headers';
import { AdmissionQueue, type StartGate } from './admission-queue';
import { Budgets, type Receipt } from './budgets';
import type { BudgetState } from './limit-budget';
import { reasonOf, type GateName, type NextStart } from './next-start';
import { OutageBreaker } from './outage-breaker';
import { RateController } from './rate-controller';
import { RateMeter } from './rate-meter';
import { Receipts } from './receipts';
import { RefusalHold } from './refusal-hold';
import { SlidingWindowBudget, type KnownLimit } from './sliding-window-budget';
import { StartLog } from './start-log';
import { StatedHold, type Closure } from './stated-hold';
import type { Walls } from './walls';

export interface EngineSettings {
  readonly base: number;
  readonly min: number;
  readonly max: number;
  readonly adaptive: boolean;
  /** Limits that the user gives. */
  readonly budgets: readonly KnownLimit[];
  readonly classifyError: ErrorClassifier | undefined;
}

/** Why nothing may start at the moment. */
export type HoldReason = 'rate-limited' | 'overloaded';

/** What the limiter makes of a failed call, for whoever may try it again. */
export interface FailureVerdict {
  /** How many refusals in a row the share explains that is refused whatever the pace: they lengthen no back-off. */
  readonly expectedRefusals: number;
  /** Whether the call was to find out if an outage is over: that costs its request no attempt. */
  readonly wasProbe: boolean;
}

/** The limiter without its RxJS face: the admission queue with pace, hold and budgets as its gate. */
export class LimiterEngine implements StartGate, Walls {
  readonly clock: Clock;
  readonly queue: AdmissionQueue;
  readonly #starts = new StartLog();
  readonly #controller: RateController;
  readonly #meter = new RateMeter();
  readonly #budgets = new Budgets(this.#starts);
  readonly #hold = new RefusalHold();
  readonly #breaker = new OutageBreaker();
  readonly #classify: ErrorClassifier;
  /** What the calls that run have taken; each one is numbered as it is among the starts. */
  readonly #running = new Receipts();
  readonly #statedHold = new StatedHold();
  /** What the last call was refused with. */
  #lastRefusal: unknown;
  #lastPermitAt = -Infinity;
  #lastStartAt = -Infinity;
  #holdReason: HoldReason | undefined;
  #isPaused = false;
  #isDrainDue = false;
  /** The last answer of `opensAt`, and what it came from. */
  #opens = -Infinity;
  #gate: GateName | undefined;

  constructor(settings: EngineSettings, clock: Clock) {
    this.clock = clock;
    this.#controller = new RateController(settings, this.#starts);
    this.#classify = settings.classifyError ?? classifyError;
    for (const known of settings.budgets) {
      this.#budgets.add(new SlidingWindowBudget(known));
    }
    this.queue = new AdmissionQueue(clock, this, this);
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

  /** Permits whose calls have not ended, as far as it has heard. */
  get outstanding(): number {
    return this.#running.size;
  }

  get callRate(): number {
    return this.#meter.rate(this.clock.now());
  }

  /** Starts per second that refusals have taught; 0 for none. */
  get learnedRate(): number {
    return this.#controller.learned.perSecond;
  }

  get heldUntil(): number | undefined {
    const now = this.clock.now();
    if (this.#hold.until > now) {
      return this.#hold.until;
    }
    const probeAt = this.#breaker.isOpen ? this.#breaker.opensAt(now) : now;
    return probeAt > now && probeAt < Infinity ? probeAt : undefined;
  }

  get holdReason(): HoldReason | undefined {
    const now = this.clock.now();
    if (this.#hold.until > now) {
      return this.#holdReason;
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

  isOpenAt(now: number): boolean {
    return (
      this.#controller.interval(now) === 0 &&
      !this.#controller.learned.isKnown &&
      this.#budgets.isEmpty &&
      this.#hold.until <= now &&
      !this.#breaker.isOpen &&
      !this.#isPaused
    );
  }

  opensAt(rank: PriorityRank, tokens: number | undefined, asks: Asks, now: number, id?: number): number {
    this.#controller.active(now);
    const opens = this.#opensAt(rank, tokens, asks, now, id);
    if (opens > now) {
      if (this.#gate === 'pace') {
        this.#controller.paceHeld(now);
      } else if (this.#gate === 'learned-rate') {
        this.#controller.learnedHeld(now);
      } else if (this.#gate === 'budget' && !this.#budgets.binding!.countsByWindows) {
        this.#controller.budgetHeld(this.#budgets.spacing, now);
      }
    }
    if (opens !== Infinity) {
      // Whoever waits for this is no sign of quiet, however long it takes.
      this.#controller.activeUntil(opens);
    }
    return opens;
  }

  /** What the next request waits for; undefined where none waits, or none has to. */
  get next(): NextStart | undefined {
    const { head } = this.queue;
    if (!head) {
      return undefined;
    }
    const now = this.clock.now();
    const { rank, tokens, asks, id } =
      head === 'no-slot'
        ? { rank: 0 as const, tokens: undefined, asks: 'start' as const, id: undefined }
        : head;
    const opensAt = this.#opensAt(rank, tokens, asks, now, id);
    const gate = head === 'no-slot' ? 'slots' : opensAt > now ? this.#gate : undefined;
    if (!gate) {
      return undefined;
    }
    const budget = gate === 'budget' ? this.#budgets.binding : undefined;
    const reason = reasonOf(gate, {
      rank,
      wait: opensAt - now,
      interval: this.#controller.interval(now),
      learnedRate: this.learnedRate,
      isOverloaded: this.#holdReason === 'overloaded',
      budget: budget?.state(now),
      cost: budget ? this.#budgets.costIn(budget, tokens) : 0,
    });
    const hasTime = gate !== 'slots' && opensAt < Infinity;
    return {
      gate,
      ...(gate !== 'slots' && { priority: prioritiesByRank[rank] }),
      ...(hasTime && { opensAt }),
      reason,
    };
  }

  pass(_rank: PriorityRank, tokens: number | undefined, asks: Asks, now: number, id: number): void {
    this.#controller.activeUntil(now);
    if (asks !== 'permit') {
      this.#lastStartAt = now;
      this.#breaker.started(id, now);
      this.#hold.started(now);
      if (asks === 'start') {
        const receipt = this.#running.get(id);
        if (receipt) {
          this.#budgets.started(receipt, now);
        }
      }
    }
    if (asks !== 'start') {
      this.#lastPermitAt = now;
      this.#meter.add(now);
      this.#controller.learned.take(now);
      // Which also notes it among the starts.
      this.#running.set(id, this.#budgets.take(tokens, now, asks !== 'permit'));
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
    this.#hold.admitted(startedAt);
    if (this.queue.waiting > 0) {
      this.#controller.succeeded(startedAt, now);
    }
    // What it reserved is the best that is known of what it used, if it did not report that.
    this.#end(id);
  }

  /** Learns, and starts nothing: the caller drains when it has told everybody who may react. */
  failed(id: number, error: unknown, startedAt: number): FailureVerdict {
    const now = this.clock.now();
    const classification = this.#classificationOf(error);
    const wasProbe = this.#breaker.hasProbed(startedAt);
    switch (classification.kind) {
      case 'wait':
        this.#refused(id, classification, startedAt, now);
        break;
      case 'overloaded':
      case 'transient':
        this.#broke(id, classification, startedAt, now);
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
    return { expectedRefusals: 0, wasProbe };
  }

  // --- What refusals mean for those who wait -------------------------------------------------------------------------

  statedHold(time: number): number {
    return this.#statedHold.before(time);
  }

  get closure(): Closure | undefined {
    return this.#statedHold.closure(this.clock);
  }

  get wall(): { since: number; cause: unknown } | undefined {
    const { since } = this.#hold;
    return since === undefined ? undefined : { since, cause: this.#lastRefusal };
  }

  #noteRefusal({ retryAfter }: ErrorClassification, error: unknown, now: number): void {
    this.#lastRefusal = error;
    if (retryAfter !== undefined) {
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
      this.#stated(statedLimitsOf(feedback.headers, now), receipt, startedAt, now);
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

  #end(id: number): void {
    this.#running.delete(id);
    this.#breaker.forget(id);
  }

  #opensAt(rank: PriorityRank, tokens: number | undefined, asks: Asks, now: number, id?: number): number {
    this.#gate = undefined;
    if (this.#isPaused) {
      this.#gate = 'pause';
      return Infinity;
    }
    this.#opens = -Infinity;
    const wait = this.#controller.interval(now) * waitMultipliers[rank];
    if (asks !== 'permit') {
      this.#consider('outage', this.#breaker.opensAt(now));
      this.#consider('pace', this.#lastStartAt + wait);
      if (asks === 'start') {
        this.#consider('learned-rate', this.#lastStartAt + this.#controller.learned.spacing);
        const receipt = id === undefined ? undefined : this.#running.get(id);
        if (receipt) {
          this.#consider('budget', this.#budgets.paidOpensAt(receipt, now));
        }
      }
    }
    if (asks !== 'start') {
      this.#consider('pace', this.#lastPermitAt + wait);
      this.#consider('learned-rate', this.#controller.learned.opensAt(now));
      this.#consider('budget', this.#budgets.opensAt(tokens, now));
    }
    this.#consider('hold', this.#hold.until);
    return this.#opens;
  }

  #consider(gate: GateName, time: number): void {
    if (time > this.#opens) {
      this.#opens = time;
      this.#gate = gate;
    }
  }

  #refused(id: number, classification: ErrorClassification, startedAt: number, now: number): void {
    const { limits = [], retryAfter, period } = classification;
    const receipt = this.#running.get(id);
    this.#stated(limits, receipt, startedAt, now);
    this.#breaker.succeeded(id);
    const controller = this.#controller;
    this.#holdReason = 'rate-limited';
    const startNumber = receipt?.number;
    if (!controller.isNewEpisode(startedAt, startNumber)) {
      controller.refusedAgain();
      if (retryAfter !== undefined) {
        // The same episode, but perhaps the longer hint.
        this.#hold.extend(now, retryAfter);
      }
      return;
    }
    this.#hold.refused(now, now - startedAt, retryAfter, controller.admittedSince(startNumber), period);
    const refusal = {
      startedAt,
      startNumber,
      isExplained: this.#budgets.isSpent(limits),
      statedSpacing: this.#budgets.spacing,
      countsByWindows: this.#hold.countsByWindows,
      holdEnd: this.#hold.until,
    };
    controller.cut(refusal, now);
    controller.activeUntil(this.#hold.until);
  }

  #broke(id: number, classification: ErrorClassification, startedAt: number, now: number): void {
    const { kind, retryAfter } = classification;
    const isOutage = this.#breaker.failed(id, now);
    const startNumber = this.#running.get(id)?.number;
    if (kind === 'overloaded' && retryAfter !== undefined) {
      this.#holdReason = 'overloaded';
      this.#hold.extend(now, retryAfter);
      this.#controller.activeUntil(this.#hold.until);
    }
    if (isOutage || (kind === 'overloaded' && retryAfter !== undefined)) {
      if (this.#controller.isNewEpisode(startedAt, startNumber)) {
        this.#controller.slowDown(now);
      }
    }
  }

  #stated(
    limits: readonly StatedLimit[],
    receipt: Receipt | undefined,
    startedAt: number,
    now: number,
  ): void {
    if (limits.length > 0) {
      if (this.#budgets.stated(limits, startedAt, receipt, now)) {
        this.#controller.stated(this.#budgets.spacing, now);
      }
    }
  }

  #classificationOf(error: unknown): ErrorClassification {
    try {
      return sound(this.#classify(error));
    } catch {
      return { kind: 'unknown' };
    }
  }
}

/** A classification of the user's own may hold anything: what is no number must not stop everybody for ever. */
function sound(classification: ErrorClassification): ErrorClassification {
  const { kind, retryAfter, period, limits } = classification;
  const isHint = retryAfter !== undefined && retryAfter > 0 && retryAfter < Infinity;
  const sane = limits?.filter(
    ({ limit, window }) => limit > 0 && limit < Infinity && window > 0 && window < Infinity,
  );
  return { kind, ...(isHint && { retryAfter }), ...(period && { period }), ...(sane && { limits: sane }) };
}
