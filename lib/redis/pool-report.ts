import { fleetDimensions, type FleetCost, type FleetStatement } from '../core/fleet';

/**
 * A call in the pool's accounting: when it was granted on the clock of the fleet, and the sum of all grants up to it.
 */
export interface Charge {
  readonly at: number;
  readonly era: number;
  readonly mark: FleetCost;
}

export function plus(one: FleetCost, other: FleetCost): FleetCost {
  return [one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]];
}

export function minus(one: FleetCost, other: FleetCost): FleetCost {
  return [one[0] - other[0], one[1] - other[1], one[2] - other[2], one[3] - other[3]];
}

/** The most separate corrections. Later ones are added to the one before. */
const mostCorrections = 200;

/** What a member has to report. Each amount counts once, however often it is sent. */
export class PoolReport {
  readonly #corrections: { readonly charge: Charge; readonly difference: number[] }[] = [];
  readonly #statements = new Map<string, { readonly charge: Charge; readonly text: object }>();
  readonly #refused: number[] = [];
  #spent: FleetCost = [0, 0, 0, 0];
  #hasPassed = false;
  #holdUntil = -Infinity;

  /** Corrects the cost of a granted call by a difference. */
  correct(charge: Charge, difference: FleetCost): void {
    const last = this.#corrections.at(-1);
    if (last && (last.charge.mark[0] === charge.mark[0] || this.#corrections.length >= mostCorrections)) {
      difference.forEach((amount, dimension) => (last.difference[dimension]! += amount));
    } else if (difference.some((amount) => amount !== 0)) {
      this.#corrections.push({ charge, difference: [...difference] });
    }
  }

  get spent(): FleetCost {
    return this.#spent;
  }

  /** Adds the cost of a call without a grant. */
  spend(cost: FleetCost): void {
    this.#spent = plus(this.#spent, cost);
  }

  stated(limit: FleetStatement, charge: Charge): void {
    const { name, dimension, window, depth, remaining, reset, countsByWindows } = limit;
    const last = this.#statements.get(name);
    if (last?.charge.era === charge.era && last.charge.mark[0] > charge.mark[0]) {
      return;
    }
    const text = {
      ...{ name, dim: fleetDimensions.indexOf(dimension) + 1, limit: limit.limit, window, depth, ...charge },
      ...(remaining !== undefined && { remaining }),
      ...(countsByWindows && reset !== undefined && { full: reset }),
    };
    this.#statements.set(name, { charge, text });
  }

  refused({ mark }: Charge): void {
    this.#refused.push(mark[0]);
  }

  passed(): void {
    this.#hasPassed = true;
  }

  hold(until: number): void {
    this.#holdUntil = Math.max(this.#holdUntil, until);
  }

  text(number: number, era: number, now: number): object {
    // Corrections of a lost pool do not apply to a new one.
    const corrections = this.#corrections.filter(({ charge }) => charge.era === era);
    return {
      n: number,
      c: corrections.map(({ charge: { at, mark }, difference }) => [at, mark[0], difference]),
      spent: this.#spent,
      stated: [...this.#statements.values()].map(({ text }) => text),
      refused: this.#refused,
      passed: this.#hasPassed,
      hold: Math.max(0, this.#holdUntil - now),
    };
  }
}
