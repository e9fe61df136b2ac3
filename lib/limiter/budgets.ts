import type { TokenUsage } from '../core/call';
import type { StatedLimit } from '../provider/rate-limit-headers';
import { Budget, type BudgetState } from './budget';
import { costIn, noTokens, SpendingLog } from './spending-log';
import { StartLog } from './start-log';
import { TokenEstimate, type TokenCost } from './token-estimate';

/** Largest share of a token budget's depth that is waited for in case a call of unknown cost is dear. */
const largestCaution = 0.25;

/** What a call has taken, to settle it and to read its headers rightly. */
export class Receipt {
  /** Its number among all that have taken something. */
  number = 0;
  cost: TokenCost = noTokens;
  /** Whether its tokens are settled already, as usage may be reported in parts. */
  isSettled = false;
  /** Whether it started only later, so that its number does not tell when. */
  hasStartedLater = false;
}

/** All limits that are known, stated or learned by name: a start must find room in every one of them. */
export class Budgets {
  #all: Budget[] = [];
  readonly #estimate = new TokenEstimate();
  readonly #log: SpendingLog;
  #binding: Budget | undefined;

  /** @param starts takes note of every start */
  constructor(starts = new StartLog()) {
    this.#log = new SpendingLog(starts);
  }

  add(budget: Budget): void {
    this.#all.push(budget);
  }

  /** Whether no limit is known. */
  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  /** The budget that the last answer of `opensAt` came from. */
  get binding(): Budget | undefined {
    return this.#binding;
  }

  /** When every budget has room for a call of so many announced tokens. */
  opensAt(tokens: number | undefined, now: number): number {
    this.#binding = undefined;
    let opens = -Infinity;
    if (this.#all.length > 0) {
      for (const budget of this.#all) {
        if (budget.believedUntil <= now) {
          this.#all = this.#all.filter(({ believedUntil }) => believedUntil > now);
          return this.opensAt(tokens, now);
        }
        const time = Math.min(budget.opensAt(this.costIn(budget, tokens), now), budget.believedUntil);
        if (time > opens) {
          opens = time;
          this.#binding = budget;
        }
      }
    }
    return opens;
  }

  /** What must be there of a budget before a call of so many announced tokens starts. */
  costIn(budget: Budget, tokens: number | undefined): number {
    const { dimension, depth } = budget;
    const expected = costIn(dimension, this.#estimate.expected(tokens));
    if (tokens !== undefined || dimension === 'requests') {
      return expected;
    }
    const possible = costIn(dimension, this.#estimate.possible(undefined));
    return Math.max(expected, Math.min(possible, depth * largestCaution));
  }

  /** @param receipt filled in with what was taken, and returned */
  take(tokens: number | undefined, now: number, receipt = new Receipt()): Receipt {
    const cost = this.#estimate.expected(tokens);
    if (this.#all.length > 0) {
      for (const budget of this.#all) {
        budget.take(costIn(budget.dimension, cost), now);
      }
    }
    receipt.number = this.#log.add(now, cost);
    receipt.cost = cost;
    receipt.isSettled = false;
    receipt.hasStartedLater = false;
    return receipt;
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
      const since = receipt ? this.#log.since(receipt.number, budget.dimension) : [];
      budget.sync(limit, startedAt, since, now);
    }
    return isNews;
  }

  /** Learns what a call has used, and settles what was reserved for it where the provider does not tell. */
  used(usage: TokenUsage, receipt: Receipt | undefined, startedAt: number): void {
    this.#estimate.learn(usage);
    if (!receipt) {
      return;
    }
    const input = usage.inputTokens ?? 0;
    const output = usage.outputTokens ?? 0;
    const used: TokenCost = { total: input + output, input, output };
    // Not a number, and the budget would never open again.
    if (!(used.total > 0 && used.total <= Number.MAX_SAFE_INTEGER)) {
      return;
    }
    for (const budget of this.#all) {
      if (budget.dimension !== 'requests') {
        // A second report of the same call is for further tokens.
        const reserved = receipt.isSettled ? 0 : costIn(budget.dimension, receipt.cost);
        budget.settle(reserved, costIn(budget.dimension, used), startedAt);
      }
    }
    receipt.isSettled = true;
  }

  /** Whether a refusal that states these limits says itself which of them is spent. */
  isSpent(limits: readonly StatedLimit[]): boolean {
    const possible = this.#estimate.possible(undefined);
    return limits.some(
      ({ dimension, remaining }) =>
        remaining !== undefined && remaining < Math.max(1, 2 * costIn(dimension, possible)),
    );
  }

  /** Milliseconds between starts that the tightest limit of a minute or less refills for; 0 where there is none. */
  get spacing(): number {
    const expected = this.#estimate.expected(undefined);
    let spacing = 0;
    for (const { dimension, window, perMinute } of this.#all) {
      // A day's limit says how much there is, not how fast it may be spent.
      if (window <= 60_000) {
        spacing = Math.max(spacing, (costIn(dimension, expected) * 60_000) / perMinute);
      }
    }
    return spacing;
  }

  find(name: string): Budget | undefined {
    return this.#all.find((budget) => budget.name === name);
  }

  states(now: number): BudgetState[] {
    return this.#all.map((budget) => budget.state(now));
  }
}
