import type { BudgetState, LimitedDimension } from '../core/budget-state';
import type { TokenUsage } from '../core/call';
import { tokenCount, usedSoFar } from '../core/token-usage';
import type { FleetCost, FleetMember } from '../core/fleet';
import type { StatedLimit } from '../provider/stated-limit';
import { Budget } from './budget';
import type { LimitBudget } from './limit-budget';
import { StartLog } from './start-log';
import { costIn, noTokens, TokenEstimate, type Sized, type TokenCost } from './token-estimate';

/** Largest share of a token budget's depth that is waited for in case a call of unknown cost is dear. */
const largestCaution = 0.25;

/** Calls over which sizes are averaged: a few very large ones must not move the mean. */
const averaged = 1000;

/** The smallest size of a call next to the usual one: a call costs something whatever its text. */
const smallest = 0.01;

/** What a call has taken of the budgets, to settle it and to read its headers rightly. */
export class Receipt {
  /** Whether its usage was reported, or all is given back. */
  isSettled = false;
  /** What was reported of its usage so far. */
  usage: TokenUsage | undefined;

  constructor(
    /** Its number among all that have taken something. */
    public number: number,
    /** What it takes, as far as is known. */
    public cost: TokenCost,
    public takenAt: number,
    /** Whether its call has started; else it only holds a permit. */
    public isStarted: boolean,
    /** Characters of its request. */
    readonly textLength?: number,
  ) {}
}

/** The means of what the last requests announced, and of the lengths of their texts. */
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

  /** A usual request that tells of itself what this one does. */
  like({ tokens }: Sized): Sized {
    return { tokens: tokens === undefined ? undefined : this.#tokens, textLength: this.#textLength };
  }
}

/** All limits that are known or stated: a start must find room in every one of them. */
export class Budgets {
  #all: LimitBudget[] = [];
  readonly #estimate = new TokenEstimate();
  readonly #starts: StartLog;
  #binding: LimitBudget | undefined;
  readonly #usual = new UsualSize();
  /** The fleet that shares the limits, and is told what calls take of them. */
  fleet: FleetMember | undefined;

  /** @param starts takes note of every start */
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

  /** When every budget has room for a call. */
  opensAt(request: Sized, now: number): number {
    if (this.#all.some((budget) => budget.isForgotten(now))) {
      this.#all = this.#all.filter((budget) => !budget.isForgotten(now));
    }
    return this.#latest((budget) => budget.opensAt(this.costIn(budget, request), now));
  }

  /** The same for a call that has paid: what it had reserved may have left a window since. */
  paidOpensAt({ cost, number }: Receipt, now: number): number {
    return this.#latest((budget) => budget.paidOpensAt(counted(budget, cost), number, now));
  }

  /** When the fleet has room for a call; at once where there is none. */
  fleetOpensAt(request: Sized, now: number): number {
    return this.fleet?.opensAt(vectorOf(this.#estimate.expected(request)), now) ?? -Infinity;
  }

  /** What must be there of a budget before a call starts. */
  costIn(budget: LimitBudget, request: Sized): number {
    const expected = counted(budget, this.#estimate.expected(request));
    if (request.tokens !== undefined || budget.dimension === 'requests') {
      return expected;
    }
    const possible = counted(budget, this.#estimate.possible(request));
    return Math.max(expected, Math.min(possible, budget.depth * largestCaution));
  }

  /** How large a call is, next to the usual one. */
  relativeSize(request: Sized): number {
    const usual = this.#estimate.expected(this.#usual.like(request)).total;
    const { total } = this.#estimate.expected(request);
    return total > 0 && usual > 0 ? Math.max(smallest, total / usual) : 1;
  }

  /** Reserves what a call will probably cost. */
  take(request: Sized, now: number, isStarted = true): Receipt {
    const cost = this.#estimate.expected(request);
    this.#usual.add(request);
    return new Receipt(this.#reserve(cost, now), cost, now, isStarted, request.textLength);
  }

  /** A call that has paid before starts now: what it takes counts from now on. */
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
   * Gives back what a call had reserved that failed or was abandoned: its tokens, if no usage was reported. Its request
   * counts if it has started, as most providers count refused calls too; where they do not, the next statement tells.
   */
  giveBack(receipt: Receipt): void {
    if (!receipt.isSettled) {
      receipt.isSettled = true;
      this.#settle(receipt, receipt.isStarted ? noTokens : undefined, receipt.takenAt);
    }
  }

  /** Takes over what the provider stated in answer to a call; returns whether that is news. */
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

  /** Puts what a call has used so far in place of what was reserved for it. */
  used(reported: TokenUsage, receipt: Receipt | undefined, startedAt: number): void {
    if (!receipt) {
      this.#estimate.learn(reported);
      return;
    }
    const sum = (reported.inputTokens ?? 0) + (reported.outputTokens ?? 0);
    // Not a number, and the budget would never open again.
    if (sum > 0 && sum <= Number.MAX_SAFE_INTEGER) {
      receipt.usage = usedSoFar(receipt.usage, reported);
      const input = tokenCount(receipt.usage?.inputTokens);
      const output = tokenCount(receipt.usage?.outputTokens);
      // Who limits the tokens of prompts alone does not count what his prompt cache held
      // (platform.claude.com/docs/en/api/rate-limits).
      const counted = Math.max(0, input - tokenCount(receipt.usage?.cachedInputTokens));
      this.#settle(receipt, { total: input + output, input: counted, output }, startedAt);
      receipt.isSettled = true;
    }
  }

  /** Learns from a call that has ended what calls cost: only then its usage is whole. */
  ended({ usage, textLength }: Receipt): void {
    if (usage) {
      this.#estimate.learn(usage, textLength);
    }
  }

  /** Milliseconds between starts that the tightest limit of a minute or less refills for; 0 where there is none. */
  get spacing(): number {
    const { mean } = this.#estimate;
    let spacing = 0;
    for (const budget of this.#all) {
      // A day's limit says how much there is, not how fast it may be spent; one that the user gives says the same.
      if (budget instanceof Budget && budget.window <= 60_000) {
        spacing = Math.max(spacing, (counted(budget, mean) * 60_000) / budget.perMinute);
      }
    }
    return spacing;
  }

  find(name: string): LimitBudget | undefined {
    return this.#all.find((budget) => budget.name === name);
  }

  /** @param running what the calls that run have taken */
  states(now: number, running: Iterable<Receipt> = []): BudgetState[] {
    const open = [...running].filter(({ isSettled }) => !isSettled);
    return this.#all.map((budget) =>
      budget.state(
        now,
        open.reduce((sum, { cost }) => sum + counted(budget, cost), 0),
      ),
    );
  }

  /** The latest of the times that budgets tell; the one that told it is binding. */
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

/** A cost above a limit counts as the limit, which is all that a window can hold: nobody pays for days. */
function counted(
  of: { readonly dimension: LimitedDimension; readonly limit: number },
  cost: TokenCost,
): number {
  return Math.min(costIn(of.dimension, cost), of.limit);
}
