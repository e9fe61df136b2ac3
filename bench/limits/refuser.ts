import { seededRandom, type Random } from '../../demos/model-server/random';
import type { SimulatedSituation } from '../../lib/testing';
import type { Shape, ShapeRequest } from './shape';

/** Refuses the calls of a shape that its limits would admit, and counts why. */
export class Refuser {
  /** Calls that were shed by chance. */
  shed = 0;
  /** Calls of requests that are refused whenever they come. */
  never = 0;
  /** Calls that came while too many ran. */
  atOnce = 0;
  readonly #shape: Shape;
  readonly #random: Random;

  constructor(shape: Shape) {
    this.#shape = shape;
    this.#random = seededRandom(shape.provider.seed ?? 1);
  }

  /** As `SimulatedProviderConfig.refuse`; usable unbound. */
  readonly refuse = (
    { prompt }: ShapeRequest,
    { at, running }: SimulatedSituation,
  ): boolean | { readonly retryAfter: number } => {
    const { shedding, atOnce = Infinity, never } = this.#shape.otherReasons ?? {};
    if (never?.has(prompt)) {
      this.never += 1;
      return true;
    }
    if (shedding && this.#random() < shedding.share(at)) {
      this.shed += 1;
      return shedding.retryAfter === undefined || { retryAfter: shedding.retryAfter };
    }
    if (running >= atOnce) {
      this.atOnce += 1;
      return true;
    }
    return false;
  };
}
