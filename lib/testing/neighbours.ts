import type { NeighbourSettings } from './provider-settings';
import { seededRandom, type Random } from './random';
import { costOf, type CallCost } from './simulated-limit';

const minute = 60_000;

/** Another client of the account. */
class Neighbour {
  readonly cost: CallCost;
  readonly #settings: NeighbourSettings;
  readonly #interval: number;
  readonly #random: Random | undefined;
  #arrivals = 0;
  /** When its next request comes, in milliseconds since the provider was made. */
  comesAt: number;

  constructor(settings: NeighbourSettings, seed: number) {
    this.#settings = settings;
    this.#interval = minute / settings.requestsPerMinute;
    this.#random = settings.arrivals === 'poisson' ? seededRandom(seed) : undefined;
    this.cost = costOf({ input: settings.tokensPerRequest, output: 0 });
    this.comesAt = settings.from;
    this.moveOn();
  }

  moveOn(): void {
    this.#arrivals++;
    const next = this.#random
      ? this.comesAt - Math.log(1 - this.#random()) * this.#interval
      : this.#settings.from + this.#arrivals * this.#interval;
    this.comesAt = next < this.#settings.until ? next : Infinity;
  }
}

/** All other clients of the account, in the order of their requests. */
export class Neighbours {
  readonly #all: readonly Neighbour[];

  constructor(settings: readonly NeighbourSettings[], seed: number) {
    this.#all = settings.map((one, index) => new Neighbour(one, seed + index + 1));
  }

  /** Visits all requests until `now`. */
  comeUntil(now: number, visit: (cost: CallCost, at: number) => void): void {
    for (;;) {
      let first: Neighbour | undefined;
      for (const one of this.#all) {
        if (one.comesAt <= (first ? first.comesAt : now)) {
          first = first?.comesAt === one.comesAt ? first : one;
        }
      }
      if (!first) {
        return;
      }
      visit(first.cost, first.comesAt);
      first.moveOn();
    }
  }
}
