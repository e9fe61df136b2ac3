import type { CallPriority } from './priority';

/**
 * What may hold a request back:
 * - `slots`: every slot of its pipeline is taken, or as many calls run as refusals taught that the provider takes at once;
 * - `pause`: the limiter is paused;
 * - `hold`: nothing is let through at the moment, so everybody waits;
 * - `outage`: most calls failed, and only a probe is let through now and then;
 * - `pace`: the last start is less than the interval times the priority's multiplier ago;
 * - `learned-rate`: refusals taught that the provider takes no more;
 * - `budget`: a known or stated limit is spent;
 * - `fleet`: the processes that share the limits have spent them, or it is the turn of another one.
 */
export type GateName = 'slots' | 'pause' | 'hold' | 'outage' | 'pace' | 'learned-rate' | 'budget' | 'fleet';

/** What the next request waits for. */
export interface NextStart {
  /** The gate that opens last. */
  readonly gate: GateName;
  /** Whose turn it is; absent where none has a free slot. */
  readonly priority?: CallPriority;
  /** When it opens, in milliseconds on the limiter's clock; absent where that hangs on something else than time. */
  readonly opensAt?: number;
  /** The same in a sentence, with the figures. */
  readonly reason: string;
}
