import type { Listed } from '../cache/cache-entry';
import type { Flight, Landing, PlainFlight } from '../cache/flights';
import type { SuccessfulOutcome, TokenUsage } from '../core/call';
import type { Member } from '../core/members';
import type { PriorityRank } from '../core/priority';
import type { Ticket } from '../core/ticket';
import type { PlainStarter } from '../limiter/slot-pool';
import type { FlightTicket } from './flight-ticket';
import type { RunningCall, Ticketless } from './running-call';

/** Who makes the calls of plain misses: the operator of ours that they would come to next anyway. */
export interface MissCalls {
  /** Whether no slot is free, so that what comes now has to wait. */
  readonly mustWait: boolean;
  /** Takes in a miss, past all that an operator of the user's could see of it. */
  takeIn(miss: PlainMiss, now: number): void;
  /** A miss that was taken in has a ticket now; its call, if that has begun. */
  adopt(ticket: Ticket, call: RunningCall | undefined): void;
  startMiss(miss: PlainMiss, arrivedAt: number, now: number): void;
}

/** Whose requests plain misses are: one subscription. */
export interface PlainMissOwner<R = unknown, V = unknown> {
  /** Milliseconds on its clock. */
  readonly openedAt: number;
  readonly calls: MissCalls | undefined;
  /** Makes the ticket, the flight and the waiter that a miss is, now that somebody asks for one of them. */
  unfold(miss: PlainMiss<R, V>): Flight<R, V>;
  landed(miss: PlainMiss<R, V>, outcome: SuccessfulOutcome<R, V>, now: number): void;
}

/**
 * A request that the cache could not answer, as long as nobody but its own subscription wants anything of it: ticket,
 * waiter and flight in one, with a quarter of their weight. Whatever is more than to wait, to start and to succeed (another
 * request for the key, a failure, a subscriber that leaves, a fence) unfolds it first. What waits by the thousand is
 * quicker the less of memory each one takes, so this holds only what it cannot do without.
 */
export class PlainMiss<R = unknown, V = unknown> implements PlainFlight, Ticketless, Member {
  hash = 0;
  nextInBucket: Listed | undefined;
  position = 0;
  /** `listed`: whoever asks for the key finds it; `unlisted`: something else stands in its place, or nothing any more. */
  stage: 'new' | 'listed' | 'sent' | 'landing' | 'unlisted' = 'new';
  /** Once it has unfolded. */
  ticket: FlightTicket<R, V> | undefined;
  /** Once that has begun. */
  call: RunningCall | undefined;

  constructor(
    readonly request: R,
    readonly key: string,
    readonly id: number,
    /** Since its subscription was opened, in milliseconds: as a small whole number it takes no room of its own. */
    readonly arrivedAfter: number,
    readonly rank: PriorityRank,
    readonly owner: PlainMissOwner<R, V>,
  ) {}

  get arrivedAt(): number {
    return this.owner.openedAt + this.arrivedAfter;
  }

  get flight(): Flight<R, V> | undefined {
    return this.ticket?.flight;
  }

  begun(call: RunningCall): void {
    this.call = call;
  }

  unfold(): Flight<R, V> {
    return this.flight ?? this.owner.unfold(this);
  }

  landed(outcome: SuccessfulOutcome<R, V>, now: number): void {
    this.stage = 'landing';
    this.owner.landed(this, outcome, now);
  }

  get isListed(): boolean {
    return this.stage !== 'unlisted' && this.stage !== 'new';
  }

  unlisted(): void {
    this.stage = 'unlisted';
  }

  get usage(): TokenUsage | undefined {
    return this.call?.usage;
  }

  get startNumber(): number {
    return this.call?.startNumber ?? 0;
  }

  get mayWrite(): boolean {
    return this.flight?.mayWrite ?? true;
  }

  get landingChecks(): Landing['landingChecks'] {
    return this.flight?.landingChecks;
  }
}

/** Starts the requests that stand without a ticket in a queue whose slots several subscriptions share. */
export const missStarter: PlainStarter = {
  startPlain(item, arrivedAt, _id, _rank, now) {
    const miss = item as PlainMiss;
    miss.owner.calls!.startMiss(miss, arrivedAt, now);
  },
};
