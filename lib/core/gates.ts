import type { CallPriority } from './priority';

/**
 * What may hold a request back:
 * - `slots`: every slot of its pipeline is taken, or as many calls run as the provider takes at once;
 * - `pause`: the limiter is paused;
 * - `hold`: the provider lets nothing through for now, so all requests wait;
 * - `outage`: most calls failed, so only a probe is sent now and then;
 * - `pace`: the last start is less than the interval times the priority's multiplier ago;
 * - `learned-rate`: the limiter learned from refusals that the provider takes no more;
 * - `budget`: a given or stated limit is spent;
 * - `fleet`: the processes that share the limits have spent them, or it is another process's turn.
 */
export type GateName = 'slots' | 'pause' | 'hold' | 'outage' | 'pace' | 'learned-rate' | 'budget' | 'fleet';

/** What the next request waits for. */
export interface NextStart {
  /** The gate that opens last. */
  readonly gate: GateName;
  /** The priority of the next request; absent if no request has a free slot. */
  readonly priority?: CallPriority;
  /** When the gate opens, in milliseconds on the limiter's clock; absent if that does not depend on time. */
  readonly opensAt?: number;
  /** The same as a sentence with the figures. */
  readonly reason: string;
}
