import type { Clock } from './clock';
import type { FleetBypassedEvent, FleetRestoredEvent } from './events';

/** What a call takes of limits: requests, tokens, tokens of its prompt, tokens of its answer. */
export type FleetCost = readonly [
  requests: number,
  tokens: number,
  inputTokens: number,
  outputTokens: number,
];

/** What the limits of a fleet count; its index is that of the amount in a {@link FleetCost}. */
export const fleetDimensions = ['requests', 'tokens', 'input-tokens', 'output-tokens'] as const;
export type FleetDimension = (typeof fleetDimensions)[number];

/** A limit that the user gives: it holds in every window of its length, over the whole fleet. */
export interface FleetLimit {
  readonly name: string;
  readonly dimension: FleetDimension;
  readonly limit: number;
  /** Milliseconds. */
  readonly window: number;
}

/** What a provider stated of a limit in answer to a call. */
export interface FleetStatement extends FleetLimit {
  readonly remaining: number | undefined;
  /** Milliseconds until all of it is there again. */
  readonly reset: number | undefined;
  /** The most that may be spent at once. */
  readonly depth: number;
  /** Whether what was spent comes back all at once. */
  readonly countsByWindows: boolean;
}

/** How a process stands in its fleet. */
export interface FleetState {
  /** `bypassed`: the server is slow or gone, and this process goes on with its share. */
  readonly connection: 'connecting' | 'connected' | 'bypassed';
  /** Processes that share the pool, this one among them, as far as was heard last. */
  readonly members: number;
  /** The share of the limits, 0 to 1, that is this process's own while it is on its own. */
  readonly ownShare: number;
  /** Questions to the server for each start, heartbeats among them; 0 before the first start. */
  readonly roundTripsPerStart: number;
}

/** The limiter of a process, as its fleet sees it. */
export interface FleetHost {
  readonly clock: Clock;
  readonly limits: readonly FleetLimit[];
  /** Requests that wait, by rank, and how many of them could start now as far as slots go. */
  demand(): { readonly waiting: readonly number[]; readonly startable: number };
  /** More may start now, or less. */
  changed(): void;
  notify(event: FleetBypassedEvent | FleetRestoredEvent): void;
}

/** A process's place in a fleet: what decides, besides its own limiter, when its calls may start. Calls are told by numbers. */
export interface FleetMember {
  readonly state: FleetState;
  /** What holds the next start, in a sentence. */
  readonly reason: string;
  /** When a start of this cost may happen: now or earlier means at once, `Infinity` that `changed()` will be called. */
  opensAt(cost: FleetCost, now: number): number;
  /** Takes note of a start. */
  take(call: number, cost: FleetCost, now: number): void;
  /** What a call takes differs by so much from what is known of it. */
  correct(call: number, difference: FleetCost): void;
  stated(limit: FleetStatement, call: number | undefined, now: number): void;
  /** A call was refused. */
  refused(call: number): void;
  /** Nothing is let through for so many milliseconds. */
  hold(wait: number): void;
  /** A call was let through. */
  passed(): void;
  /** Gives back what was granted, and says nothing more of its own accord. */
  leave(): void;
}

/** Processes that share the limits of a provider; `redisFleet` of `rxllm/redis` makes one. */
export interface Fleet {
  /** @internal */
  join(host: FleetHost): FleetMember;
}
