import type { BudgetState, LimitedDimension } from '../core/budget-state';
import type { TokenUsage } from '../core/call';
import { tokenCount, usedSoFar } from '../core/token-usage';
import type { FleetCost, FleetMember } from '../core/fleet';
import type { StatedLimit } from '../provider/stated-limit';
import { Budget } from './budget';
import type { LimitBudget } from './limit-budget';
import { StartLog } from './start-log';
import { costIn, noTokens, TokenEstimate, type Sized, type TokenCost } from './token-estimate';

/** The largest share of a token budget's depth kept free in case a call of unknown cost is expensive. */
const largestCaution = 0.25;

/** Calls over which sizes are averaged, so that a few very large ones do not move the mean. */
const averaged = 1000;

/** The smallest relative size of a call, because every call costs something. */
const smallest = 0.01;

/** What a call has taken of the budgets. */
export class Receipt {
  /** Whether its usage was reported or its reservation given back. */
  isSettled = false;
  /** The usage reported so far. */
  usage: TokenUsage | undefined;

  constructor(
    /** Its number among all that have taken something. */
    public number: number,
    /** Its cost, as far as it is known. */
    public cost: TokenCost,
    public takenAt: number,
    /** Whether its call has started; otherwise it only holds a permit. */
    public isStarted: boolean,
    readonly textLength?: number,
  ) {}
}

class UsualSize {
  #announcing = 0;
  #tokens = 0;
  #reading = 0;
  #textLength = 0;

  add({ tokens, textLength }: Sized): void {
    if (tokens === undefined) {
      this.#reading = Math.min(averaged, this.#reading + 1);
      this.#textLength += (textLength - this.#textLength) / this.#reading;
    } else {
      this.#announcing = Math.min(averaged, this.#announcing + 1);
      this.#tokens += (tokens - this.#tokens) / this.#announcing;
    }
  }

  /** A usual request with the same known fields as this one. */
  like({ tokens }: Sized): Sized {
    return { tokens: tokens === undefined ? undefined : this.#tokens, textLength: this.#textLength };
  }
}

/** All given and stated limits. A start must have room in each of them. */
export class Budgets {
  #all: LimitBudget[] = [];
  readonly #estimate = new TokenEstimate();
  readonly #starts: StartLog;
  #binding: LimitBudget | undefined;
  readonly #usual = new UsualSize();
  /** The fleet that shares the limits and is told what calls take. */
  fleet: FleetMember | undefined;

  constructor(starts = new StartLog()) {
    this.#starts = starts;
  }

  add(budget: LimitBudget): void {
    this.#all.push(budget);
  }

  /** The budget that the last answer of `opensAt` came from. */
  get binding(): LimitBudget | undefined {
    return this.#binding;
  }

  opensAt(request: Sized, now: number): number {
    if (this.#all.some((budget) => budget.isForgotten(now))) {
      this.#all = this.#all.filter((budget) => !budget.isForgotten(now));
    }
    return this.#latest((budget) => budget.opensAt(this.costIn(budget, request), now));
  }

  /** The same for a paid call, whose reservation may have left a window since. */
  paidOpensAt({ cost, number }: Receipt, now: number): number {
    return this.#latest((budget) => budget.paidOpensAt(counted(budget, cost), number, now));
  }

  /** When the fleet has room for a call; at once without a fleet. */
  fleetOpensAt(request: Sized, now: number): number {
    return this.fleet?.opensAt(vectorOf(this.#estimate.expected(request)), now) ?? -Infinity;
  }

  /** What a budget must hold before a call starts. */
  costIn(budget: LimitBudget, request: Sized): number {
    const expected = counted(budget, this.#estimate.expected(request));
    if (request.tokens !== undefined || budget.dimension === 'requests') {
      return expected;
    }
    const possible = counted(budget, this.#estimate.possible(request));
    return Math.max(expected, Math.min(possible, budget.depth * largestCaution));
  }

  /** The size of a call relative to the usual one. */
  relativeSize(request: Sized): number {
    const usual = this.#estimate.expected(this.#usual.like(request)).total;
    const { total } = this.#estimate.expected(request);
    return total > 0 && usual > 0 ? Math.max(smallest, total / usual) : 1;
  }

  /** Reserves the probable cost of a call. */
  take(request: Sized, now: number, isStarted = true): Receipt {
    const cost = this.#estimate.expected(request);
    this.#usual.add(request);
    return new Receipt(this.#reserve(cost, now), cost, now, isStarted, request.textLength);
  }

  /** Counts a paid call from now on, when it starts. */
  started(receipt: Receipt, now: number): void {
    receipt.isStarted = true;
    if (receipt.takenAt < now) {
      const { cost } = receipt;
      this.#settle(receipt, undefined, receipt.takenAt);
      receipt.number = this.#reserve(cost, now);
      receipt.cost = cost;
      receipt.takenAt = now;
    }
  }

  /**
   * Gives back the reservation of a failed or abandoned call: its tokens, if it reported no usage. Its request counts
   * if it has started, because most providers count refused calls; for others, the next statement corrects it.
   */
  giveBack(receipt: Receipt): void {
    if (!receipt.isSettled) {
      receipt.isSettled = true;
      this.#settle(receipt, receipt.isStarted ? noTokens : undefined, receipt.takenAt);
    }
  }

  /** Applies what the provider stated in answer to a call. Returns whether it changed a limit. */
  stated(
    limits: readonly StatedLimit[],
    startedAt: number,
    receipt: Receipt | undefined,
    now: number,
  ): boolean {
    let isNews = false;
    for (const limit of limits) {
      let budget = this.find(limit.name);
      if (!budget) {
        budget = new Budget(limit, limit.limit, now);
        this.#all.push(budget);
        isNews = true;
      }
      isNews ||= budget.limit !== limit.limit;
      if (budget instanceof Budget) {
        const first = Math.min(budget.syncedNumber, receipt?.number ?? 0);
        const starts = receipt ? this.#starts.since(first, (cost) => (cost ? counted(limit, cost) : 0)) : [];
        budget.sync(limit, startedAt, starts, now, receipt?.number);
        const { depth, countsByWindows } = budget;
        this.fleet?.stated({ ...limit, depth, countsByWindows }, receipt?.number, now);
      }
    }
    return isNews;
  }

  /** Replaces the reservation of a call by its usage so far. */
  used(reported: TokenUsage, receipt: Receipt | undefined, startedAt: number): void {
    if (!receipt) {
      this.#estimate.learn(reported);
      return;
    }
    const sum = (reported.inputTokens ?? 0) + (reported.outputTokens ?? 0);
    // A NaN would close the budget for ever.
    if (sum > 0 && sum <= Number.MAX_SAFE_INTEGER) {
      receipt.usage = usedSoFar(receipt.usage, reported);
      const input = tokenCount(receipt.usage?.inputTokens);
      const output = tokenCount(receipt.usage?.outputTokens);
      // Limits on prompt tokens do not count cached ones (platform.claude.com/docs/en/api/rate-limits).
      const counted = Math.max(0, input - tokenCount(receipt.usage?.cachedInputTokens));
      this.#settle(receipt, { total: input + output, input: counted, output }, startedAt);
      receipt.isSettled = true;
    }
  }

  /** Learns the cost of calls from a call that has ended, as its usage is final. */
  ended({ usage, textLength }: Receipt): void {
    if (usage) {
      this.#estimate.learn(usage, textLength);
    }
  }

  /** Milliseconds between starts that the tightest limit of a minute or less allows; 0 without one. */
  get spacing(): number {
    const { mean } = this.#estimate;
    let spacing = 0;
    for (const budget of this.#all) {
      // A limit per day, or one that the user gave, says how much may be spent but not how fast.
      if (budget instanceof Budget && budget.window <= 60_000) {
        spacing = Math.max(spacing, (counted(budget, mean) * 60_000) / budget.perMinute);
      }
    }
    return spacing;
  }

  find(name: string): LimitBudget | undefined {
    return this.#all.find((budget) => budget.name === name);
  }

  /** @param running what running calls have taken */
  states(now: number, running: Iterable<Receipt> = []): BudgetState[] {
    const open = [...running].filter(({ isSettled }) => !isSettled);
    return this.#all.map((budget) =>
      budget.state(
        now,
        open.reduce((sum, { cost }) => sum + counted(budget, cost), 0),
      ),
    );
  }

  /** The latest time of all budgets. The budget that gave it is the binding one. */
  #latest(timeOf: (budget: LimitBudget) => number): number {
    this.#binding = undefined;
    let latest = -Infinity;
    for (const budget of this.#all) {
      const time = timeOf(budget);
      if (time > latest) {
        latest = time;
        this.#binding = budget;
      }
    }
    return latest;
  }

  #reserve(cost: TokenCost, now: number): number {
    const number = this.#starts.add(now, cost);
    this.fleet?.take(number, vectorOf(cost), now);
    for (const budget of this.#all) {
      budget.take(counted(budget, cost), now, number);
    }
    return number;
  }

  /** @param cost what it takes now; undefined for nothing, not even the request */
  #settle(receipt: Receipt, cost: TokenCost | undefined, startedAt: number): void {
    const { number } = receipt;
    for (const budget of this.#all) {
      const used = cost ? counted(budget, cost) : 0;
      budget.settle(counted(budget, receipt.cost), used, startedAt, number);
    }
    this.#starts.correct(number, cost);
    if (this.fleet) {
      const [, ...reserved] = vectorOf(receipt.cost);
      const [, ...used] = vectorOf(cost ?? noTokens);
      const [tokens, input, output] = used.map((amount, index) => amount - reserved[index]!);
      this.fleet.correct(number, [cost ? 0 : -1, tokens!, input!, output!]);
    }
    receipt.cost = cost ?? noTokens;
  }
}

function vectorOf({ total, input, output }: TokenCost): FleetCost {
  return [1, total, input, output];
}

/** A cost above a limit counts as the limit, or the call would never start. */
function counted(
  of: { readonly dimension: LimitedDimension; readonly limit: number },
  cost: TokenCost,
): number {
  return Math.min(costIn(of.dimension, cost), of.limit);
}
