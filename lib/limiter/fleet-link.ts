import type { Clock } from '../core/clock';
import type { CallEventListener } from '../core/events';
import type { Fleet, FleetMember } from '../core/fleet';
import type { AdmissionQueue } from './admission-queue';
import type { Receipt } from './budgets';
import type { KnownLimit } from './sliding-window-budget';
import type { Wall } from './wall';
import { demandOf } from './queue-gauges';

/** Milliseconds of a hold that says of itself that it is no matter of pace. */
const longHold = 1000;

/** What a limiter is told of its fleet. */
export interface FleetSettings {
  /** The processes that share the limits. */
  readonly fleet?: Fleet | undefined;
  /** Hears of the fleet. */
  readonly events?: CallEventListener | undefined;
  /** Limits that the user gives. */
  readonly budgets: readonly KnownLimit[];
}

/** Has a limiter join its fleet, if it has one. */
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

/** Tells the fleet, if there is one, of a refusal. That nothing is let through here says little of the others, unless the provider says so. */
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
