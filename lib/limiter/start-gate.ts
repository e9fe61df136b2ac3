import type { PriorityRank } from '../core/priority';
import type { Asks } from '../core/ticket';
import type { Sized } from './token-estimate';

/** Decides, besides slots, whether a request may start: the pace, a hold, the budgets. */
export interface StartGate {
  /** When a start may happen. A past time means at once; `Infinity` means after a later `drain()`. */
  opensAt(rank: PriorityRank, request: Sized, asks: Asks, now: number, id?: number): number;
  pass(rank: PriorityRank, request: Sized, asks: Asks, now: number, id: number): void;
}
