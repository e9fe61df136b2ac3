import type { Clock } from './clock';
import type { FleetBypassedEvent, FleetRestoredEvent } from './events';

/** What a call takes of the limits: requests, tokens, tokens of its prompt, tokens of its answer. */
export type FleetCost = readonly [
  requests: number,
  tokens: number,
  inputTokens: number,
  outputTokens: number,
];

/** The dimensions of limits, in the order of the amounts in a {@link FleetCost}. */
export const fleetDimensions = ['requests', 'tokens', 'input-tokens', 'output-tokens'] as const;
export type FleetDimension = (typeof fleetDimensions)[number];

/** A limit that the user gave. It holds in every window of its length, over the whole fleet. */
export interface FleetLimit {
  readonly name: string;
  readonly dimension: FleetDimension;
  readonly limit: number;
  /** Length of the window in milliseconds. */
  readonly window: number;
}

/** A limit that a provider stated in a response. */
export interface FleetStatement extends FleetLimit {
  readonly remaining: number | undefined;
  /** Milliseconds until the limit is full again. */
  readonly reset: number | undefined;
  /** The most that may be spent at once. */
  readonly depth: number;
  /** Whether spent amounts come back all at once. */
  readonly countsByWindows: boolean;
}

/** The state of a process in its fleet. */
export interface FleetState {
  /** `bypassed`: the server is slow or gone, and this process goes on with its share. */
  readonly connection: 'connecting' | 'connected' | 'bypassed';
  /** Processes that share the pool, this one included, by the last reply. */
  readonly members: number;
  /** Share of the limits, 0 to 1, that this process may use while the server is gone. */
  readonly ownShare: number;
  /** Requests to the server for each start, heartbeats included; 0 before the first start. */
  readonly roundTripsPerStart: number;
}

/** The limiter of a process, as the fleet uses it. */
export interface FleetHost {
  readonly clock: Clock;
  readonly limits: readonly FleetLimit[];
  /** Waiting requests by rank, and how many of them have a free slot. */
  demand(): { readonly waiting: readonly number[]; readonly startable: number };
  /** The fleet calls this when more or fewer calls may start. */
  changed(): void;
  notify(event: FleetBypassedEvent | FleetRestoredEvent): void;
}

/**
 * A process's membership in a fleet. Besides the process's own limiter, it decides when calls may start. Calls are
 * named by numbers.
 */
export interface FleetMember {
  readonly state: FleetState;
  /** A sentence that says what the next start waits for. */
  readonly reason: string;
  /** When a start of this cost may happen. A past time means at once; `Infinity` means after the next `changed()`. */
  opensAt(cost: FleetCost, now: number): number;
  /** Records a start. */
  take(call: number, cost: FleetCost, now: number): void;
  /** Corrects the recorded cost of a call by a difference. */
  correct(call: number, difference: FleetCost): void;
  stated(limit: FleetStatement, call: number | undefined, now: number): void;
  /** Records that a call was refused. */
  refused(call: number): void;
  /** Holds all starts for so many milliseconds. */
  hold(wait: number): void;
  /** Records that a call was let through. */
  passed(): void;
  /** Gives back unused grants and leaves the fleet. */
  leave(): void;
}

/** Processes that share the limits of a provider; `redisFleet` of `rxllm/redis` makes one. */
export interface Fleet {
  /** @internal */
  join(host: FleetHost): FleetMember;
}
