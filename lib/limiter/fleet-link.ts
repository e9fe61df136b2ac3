import type { Clock } from '../core/clock';
import type { CallEventListener } from '../core/events';
import type { Fleet, FleetMember } from '../core/fleet';
import type { AdmissionQueue } from './admission-queue';
import type { Receipt } from './budgets';
import type { KnownLimit } from './sliding-window-budget';
import type { Wall } from './wall';
import { demandOf } from './queue-gauges';

/** A refusal with a longer wait than this (milliseconds) is not about pace. */
const longHold = 1000;

export interface FleetSettings {
  /** The processes that share the limits. */
  readonly fleet?: Fleet | undefined;
  /** Receives events of the fleet. */
  readonly events?: CallEventListener | undefined;
  /** Limits that the user gave. */
  readonly budgets: readonly KnownLimit[];
}

/** Joins the fleet of a limiter, if it has one. */
export function joinFleet(
  { fleet, events, budgets }: FleetSettings,
  clock: Clock,
  queue: AdmissionQueue,
  changed: () => void,
): FleetMember | undefined {
  return fleet?.join({
    clock,
    limits: budgets,
    demand: () => demandOf(queue),
    changed,
    notify: (event) => events?.next(event),
  });
}

/**
 * Reports a refusal to the fleet, if there is one. A wall in this process says little about the others, unless the
 * provider stated it.
 */
export function tellRefusal(
  fleet: FleetMember | undefined,
  wall: Wall,
  receipt: Receipt | undefined,
  now: number,
): void {
  const hold = wall.isStated ? wall.until - now : 0;
  if (hold > 0) {
    fleet?.hold(hold);
  }
  if (hold < longHold && receipt) {
    fleet?.refused(receipt.number);
  }
}
