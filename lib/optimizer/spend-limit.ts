import { SpendLimitError } from '../core/errors';
import type { CallEvent, CallEventListener } from '../core/events';
import { numberSetting } from '../core/settings';
import type { SpendGate } from '../limiter/slot-pool';
import { Prices, type PriceTable } from '../stats/prices';

/** Adds up the cost of calls when they end, and stops starts when the limit is reached. */
export class SpendLimit implements CallEventListener, SpendGate {
  readonly #prices: Prices;
  readonly #reached: () => void;
  #spent = 0;

  /** @param reached called when waiting requests can no longer start */
  constructor(
    readonly limit: number,
    prices: PriceTable | undefined,
    reached: () => void,
  ) {
    numberSetting('maxSpend', limit, 0);
    this.#prices = new Prices(prices);
    this.#reached = reached;
    if (!this.#prices.areKnown) {
      throw new TypeError(
        "maxSpend needs prices, as nothing costs anything without them. Give prices, as in { 'gpt-4o-mini': { input: 0.15, output: 0.6 } }.",
      );
    }
  }

  get isReached(): boolean {
    return this.#spent >= this.limit;
  }

  next(event: CallEvent): void {
    if (event.type === 'finished' && event.usage) {
      this.#spent += this.#prices.costOf(event.usage) ?? 0;
      if (this.isReached) {
        this.#reached();
      }
    }
  }

  error(cause: unknown): Error {
    return new SpendLimitError(this.#spent, this.limit, cause);
  }
}
