import type { FleetCost } from '../core/fleet';
import { horizon } from './pool-limits';
import type { PoolReply } from './pool-reply';
import { minus, plus, type Charge, type PoolReport } from './pool-report';

interface Grant {
  /** When it may start, on the clock of this process. */
  readonly at: number;
  readonly cost: FleetCost;
  readonly charge: Charge;
}

export const nothing: FleetCost = [0, 0, 0, 0];

/** The starts that a member was granted and has not used. */
export class GrantedStarts {
  #grants: Grant[] = [];

  /** Adds the grants of a reply. Their waits count from its arrival, so that no call starts too early. */
  add({ grants, now: then, era, mark }: PoolReply, cost: FleetCost, now: number): void {
    let until = mark;
    for (const after of grants) {
      until = plus(until, cost);
      this.#grants.push({ at: now + Math.ceil(after), cost, charge: { at: then + after, era, mark: until } });
    }
  }

  /**
   * When a start of this cost may use some of the grants; undefined if there are not enough. A call with many tokens
   * uses several.
   *
   * @param counted the amounts that limits count
   */
  opensAt(cost: FleetCost, counted: ReadonlySet<number>): number | undefined {
    return this.#grants[this.#needed(cost, counted) - 1]?.at;
  }

  /** Uses grants for a start, and reports the cost beyond them; undefined if there are not enough. */
  use(cost: FleetCost, counted: ReadonlySet<number>, report: PoolReport): Charge | undefined {
    const used = this.#grants.splice(0, this.#needed(cost, counted));
    const charge = used.at(-1)?.charge;
    if (charge) {
      const granted = used.reduce((sum, grant) => plus(sum, grant.cost), nothing);
      report.correct(charge, minus(cost, granted));
    }
    return charge;
  }

  /** Gives grants back that were not used within a horizon. */
  giveBackOld(now: number, report: PoolReport): void {
    while (this.#grants[0] && this.#grants[0].at + horizon <= now) {
      giveBack(this.#grants.shift()!, report);
    }
  }

  giveBackAll(report: PoolReport): void {
    for (const grant of this.#grants.splice(0)) {
      giveBack(grant, report);
    }
  }

  #needed(cost: FleetCost, counted: ReadonlySet<number>): number {
    let sum = nothing;
    for (const [index, grant] of this.#grants.entries()) {
      sum = plus(sum, grant.cost);
      if (sum.every((amount, dimension) => !counted.has(dimension) || amount >= cost[dimension]!)) {
        return index + 1;
      }
    }
    return 0;
  }
}

function giveBack({ charge, cost }: Grant, report: PoolReport): void {
  report.correct(charge, minus(nothing, cost));
}
