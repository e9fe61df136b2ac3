import type { Flight } from '../cache/flights';
import type { FailedOutcome } from '../core/call';
import type { Clock } from '../core/clock';
import { CallTimeoutError } from '../core/errors';
import { holdStarts } from '../core/held-starts';
import { engineOf, type CacheRunSettings } from './cache-run-settings';
import { land } from './landing';
import { failed, withPartial } from './outcomes';

/**
 * Ends a shared call `sharedCallTimeout` after its first start, or after it was sent if the operator that makes it does
 * not report the start.
 */
export function limitTime<R, V>(flight: Flight<R, V>, settings: CacheRunSettings<R, V>): void {
  const limit = engineOf(settings)?.sharedCallTimeout ?? Infinity;
  if (limit === Infinity || flight.key === undefined) {
    return;
  }
  const { ticket } = flight;
  const ring = () => {
    flight.cancelTimeout = undefined;
    if (!ticket.isHeldBack) {
      end(flight, limit, settings);
    }
  };
  ticket.onStep = () => {
    flight.cancelTimeout?.();
    flight.cancelTimeout = settings.clock.schedule(limit, ring);
  };
}

function end<R, V>(flight: Flight<R, V>, limit: number, settings: CacheRunSettings<R, V>): void {
  holdStarts(() => {
    const failure = timedOut(flight, limit, settings.clock);
    const outcome = withPartial<R, V>(failure, flight.chunks, settings.stream);
    flight.isKept = false;
    flight.abandon();
    land(flight, outcome, settings);
  });
}

function timedOut<R, V>(flight: Flight<R, V>, limit: number, clock: Clock): FailedOutcome<R, never> {
  const { ticket, request } = flight;
  const outcome = failed(ticket, request, new CallTimeoutError(limit, 'sharedCallTimeout'), clock);
  const { attempts, firstStartAt, arrivedAt } = ticket;
  return attempts === 1
    ? { ...outcome, latency: clock.now() - firstStartAt, waited: firstStartAt - arrivedAt }
    : outcome;
}
