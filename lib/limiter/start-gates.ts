import { prioritiesByRank, waitMultipliers, type PriorityRank } from '../core/priority';
import type { GateName, NextStart } from '../core/gates';
import type { Asks } from '../core/ticket';
import type { Budgets, Receipt } from './budgets';
import { reasonOf } from './next-start';
import type { OutageBreaker } from './outage-breaker';
import { Pace, type PaceSettings } from './pace';
import type { RefusalCauses } from './refusal-causes';
import type { Sized } from './token-estimate';

/** What the next request needs. */
export interface StartRequest {
  readonly rank: PriorityRank;
  readonly request: Sized;
  readonly asks: Asks;
  /** What the request has paid in an `adaptiveThrottle`. */
  readonly receipt: Receipt | undefined;
}

/** All gates of a limiter. The next start may happen when the last of them opens. */
export class StartGates {
  readonly pace: Pace;
  readonly #causes: RefusalCauses;
  readonly #budgets: Budgets;
  readonly #breaker: OutageBreaker;
  isPaused = false;
  /** Whether any result of a call was reported. Without one, the pace learns nothing. */
  isHeard = false;
  #lastPermitAt = -Infinity;
  #lastStartAt = -Infinity;
  /** The last result of `opensAt`, and the gate that it came from. */
  #opens = -Infinity;
  #gate: GateName | undefined;
  /** The last result of the fleet. */
  #fleetOpens = -Infinity;
  /** The gate that holds the next request, and since when. */
  #heldBy: GateName | undefined;
  #isHeldByWindow = false;
  #heldFrom = 0;

  constructor(settings: PaceSettings, causes: RefusalCauses, budgets: Budgets, breaker: OutageBreaker) {
    this.pace = new Pace(settings);
    this.#causes = causes;
    this.#budgets = budgets;
    this.#breaker = breaker;
  }

  /** When the next start may happen; `Infinity` if that does not depend on time. */
  opensAt(request: StartRequest, now: number): number {
    this.pace.wake(now);
    this.#lastToOpen(request, now);
    this.#causes.advance(now);
    const isFree = this.#orHeld() <= now;
    this.#fleetOpens =
      isFree && request.asks !== 'start' ? this.#budgets.fleetOpensAt(request.request, now) : -Infinity;
    this.#consider('fleet', this.#fleetOpens);
    const opens = this.#opens;
    if (opens > now) {
      this.#giveWay(now);
      this.#heldBy = this.#gate;
      this.#isHeldByWindow = this.#gate === 'budget' && this.#budgets.binding?.countsByWindows === true;
      this.#heldFrom = now;
    }
    if (opens !== Infinity) {
      // A waiting request is demand, so the limiter is not idle.
      this.pace.activeUntil(opens);
    }
    return opens;
  }

  /** Records a start, or a permit for one. */
  passed(asks: Asks, now: number): void {
    this.pace.wake(now);
    this.#giveWay(now);
    if (asks !== 'permit') {
      this.#lastStartAt = now;
      this.pace.started();
    }
    if (asks !== 'start') {
      this.#lastPermitAt = now;
    }
  }

  /** The gate that holds a request, when it opens, and why; undefined if none does. */
  explain(start: StartRequest, now: number): NextStart | undefined {
    this.#lastToOpen(start, now);
    this.#orHeld();
    this.#consider('fleet', this.#fleetOpens);
    const opensAt = this.#opens;
    const gate = this.#gate;
    if (opensAt <= now || !gate) {
      return undefined;
    }
    const { rank, request } = start;
    const budget = gate === 'budget' ? this.#budgets.binding : undefined;
    const reason = reasonOf(gate, {
      rank,
      wait: opensAt - now,
      interval: this.pace.interval(now),
      learnedRate: this.#causes.learned.perSecond,
      maxRunning: this.#causes.maxRunning,
      budget: budget?.state(now),
      cost: budget ? this.#budgets.costIn(budget, request) : 0,
      fleet: this.#budgets.fleet?.reason,
    });
    return { gate, priority: prioritiesByRank[rank], ...(opensAt < Infinity && { opensAt }), reason };
  }

  /** Relaxes the gate that held a request until now, unless there is evidence against it. */
  #giveWay(now: number): void {
    const held = this.#heldBy;
    this.#heldBy = undefined;
    if (!held || !this.isHeard || !this.#causes.isCalm) {
      return;
    }
    const time = now - this.#heldFrom;
    if (held === 'learned-rate') {
      this.#causes.grow(time, now);
    } else if (held === 'pace') {
      this.pace.quicken(time, this.#causes.learned.isKnown);
    } else if (held === 'budget' && !this.#isHeldByWindow) {
      this.pace.relax(this.#budgets.spacing, time);
    }
  }

  /** Finds the gate that opens last, except for a hold. */
  #lastToOpen({ rank, request, asks, receipt }: StartRequest, now: number): void {
    this.#gate = undefined;
    if (this.isPaused) {
      this.#gate = 'pause';
      this.#opens = Infinity;
      return;
    }
    this.#opens = -Infinity;
    // If others share the limit, what this process learned alone says little.
    const isShared = this.#budgets.fleet?.state.connection === 'connected';
    const isBurst = this.pace.hasBurst(now);
    const wait = this.pace.interval(now) * waitMultipliers[rank];
    if (asks !== 'permit') {
      this.#consider('outage', this.#breaker.opensAt(now));
      if (!isShared) {
        this.#consider('learned-rate', this.#causes.opensAt(this.#budgets.relativeSize(request), now));
      }
      this.#consider('slots', this.#causes.slotOpensAt(now));
      this.#consider('pace', isBurst ? -Infinity : this.#lastStartAt + wait);
      if (asks === 'start' && receipt && !isShared) {
        this.#consider('budget', this.#budgets.paidOpensAt(receipt, now));
      }
    }
    if (asks !== 'start') {
      this.#consider('pace', isBurst ? -Infinity : this.#lastPermitAt + wait);
      if (!isShared) {
        this.#consider('budget', this.#budgets.opensAt(request, now));
      }
    }
  }

  #orHeld(): number {
    this.#consider('hold', this.#causes.wall.until);
    return this.#opens;
  }

  #consider(gate: GateName, time: number): void {
    if (time > this.#opens) {
      this.#opens = time;
      this.#gate = gate;
    }
  }
}
