import type { PriorityRank } from '../core/priority';
import type { Asks } from '../core/ticket';
import type { Sized } from './token-estimate';

/** What decides, besides slots, whether a request may start: the pace, a hold, the budgets. */
export interface StartGate {
  /** When a start may happen: now or earlier means at once, `Infinity` that a change will be told by `drain()`. */
  opensAt(rank: PriorityRank, request: Sized, asks: Asks, now: number, id?: number): number;
  /** Takes note of a start. */
  pass(rank: PriorityRank, request: Sized, asks: Asks, now: number, id: number): void;
}
