import type { Cancel } from '../core/clock';
import { durationText } from '../core/duration-text';
import {
  fleetDimensions,
  type FleetCost,
  type FleetHost,
  type FleetMember,
  type FleetState,
  type FleetStatement,
} from '../core/fleet';
import { GrantedStarts, nothing } from './granted-starts';
import { OwnShare } from './own-share';
import { horizon } from './pool-limits';
import { poolReplyOf, type PoolReply } from './pool-reply';
import { minus, PoolReport, type Charge } from './pool-report';
import { StartDemand } from './start-demand';

export interface PoolMemberSettings {
  readonly id: string;
  readonly processes: number;
  /** Milliseconds until the server counts as gone. */
  readonly deadline: number;
  /** Calls the script of the pool. */
  readonly ask: (question: string) => Promise<unknown>;
}

/** Milliseconds between messages of a member without demand. */
const heartbeat = 1000;

/** Milliseconds until a server that did not answer is asked again, at first and at most. */
const firstPause = 250;
const longestPause = 5000;

/** Milliseconds between an answer without grants and the next question. */
const leastPause = 10;

/** The most calls that are remembered, to correct their cost. */
const remembered = 10_000;

const nothingWanted = { want: 0, d: [0, 0, 0, 0], c: [1, 0, 0, 0] as FleetCost };

/**
 * A limiter's membership in a pool. It has at most one question under way, which reports and asks for starts. Grants
 * that it does not use within a horizon are given back with the next question. If the server does not answer in time,
 * it goes on with its own share.
 */
export class PoolMember implements FleetMember {
  readonly #settings: PoolMemberSettings;
  readonly #host: FleetHost;
  #connection: FleetState['connection'] = 'connecting';
  #reply: PoolReply | undefined;
  #repliedAt = 0;
  #share: OwnShare | undefined;
  readonly #grants = new GrantedStarts();
  #counted: ReadonlySet<number>;
  #report = new PoolReport();
  /** Reports that were sent and not answered yet. */
  #sent: { readonly report: PoolReport; readonly number: number } | undefined;
  #reports = 0;
  /** The question under way. */
  #question: object | undefined;
  #askedAt: number | undefined;
  /** The starts that it asked for last, by rank. */
  #asked: readonly number[] = [];
  /** Whether the other members must be told something at once. */
  #isUrgent = false;
  #askAfter = -Infinity;
  #pause = 0;
  readonly #charges = new Map<number, Charge>();
  readonly #demand = new StartDemand();
  #trips = 0;
  #cancelHeartbeat: Cancel | undefined;
  #hasLeft = false;

  constructor(settings: PoolMemberSettings, host: FleetHost) {
    this.#settings = settings;
    this.#host = host;
    this.#counted = new Set(host.limits.map(({ dimension }) => fleetDimensions.indexOf(dimension)));
    this.#ask(undefined, host.clock.now());
  }

  get state(): FleetState {
    const members = this.#members;
    return {
      connection: this.#connection,
      members,
      ownShare: 1 / members,
      roundTripsPerStart: this.#demand.starts === 0 ? 0 : this.#trips / this.#demand.starts,
    };
  }

  get reason(): string {
    const { gate = '', ask = 0 } = this.#reply ?? {};
    if (this.#connection !== 'connected') {
      return `The server of the fleet does not answer, so this process goes on with 1/${this.#members} of the limits.`;
    }
    const what = gate === 'hold' ? 'a hold' : gate ? `the limit '${gate}'` : 'the next grant';
    return `The fleet of ${this.#members} waits for ${what}: the next start of this process is due in about ${durationText(ask)}.`;
  }

  opensAt(cost: FleetCost, now: number): number {
    if (this.#connection !== 'connected') {
      if (!this.#question && now >= this.#askAfter) {
        this.#ask(cost, now);
      }
      return this.#share?.opensAt(cost, now) ?? Infinity;
    }
    this.#grants.giveBackOld(now, this.#report);
    const opens = this.#grants.opensAt(cost, this.#counted);
    if (opens !== undefined) {
      return opens;
    }
    if (!this.#question && (now >= this.#askAfter || this.#hasNewRank(now))) {
      this.#ask(cost, now);
    }
    return this.#question ? Infinity : this.#askAfter;
  }

  take(call: number, cost: FleetCost, now: number): void {
    this.#demand.count(now);
    if (this.#share) {
      this.#share.take(cost, now);
      this.#report.spend(cost);
      return;
    }
    let charge = this.#grants.use(cost, this.#counted, this.#report);
    if (!charge) {
      charge = this.#latest(now);
      this.#report.spend(cost);
    }
    this.#charges.set(call, charge);
    if (this.#charges.size > remembered) {
      const [oldest] = this.#charges.keys();
      this.#charges.delete(oldest!);
    }
  }

  correct(call: number, difference: FleetCost): void {
    const charge = this.#charges.get(call);
    if (charge) {
      this.#report.correct(charge, difference);
    } else {
      this.#report.spend(difference);
      this.#share?.take(difference, this.#host.clock.now());
    }
  }

  stated(limit: FleetStatement, call: number | undefined): void {
    const charge = call === undefined ? undefined : this.#charges.get(call);
    if (charge) {
      this.#report.stated(limit, charge);
    }
  }

  refused(call: number): void {
    const charge = this.#charges.get(call);
    if (charge) {
      this.#report.refused(charge);
      // The sooner the pool is told, the fewer calls are refused.
      this.#askAfter = Math.min(this.#askAfter, this.#host.clock.now() + leastPause);
    }
  }

  hold(wait: number): void {
    this.#report.hold(this.#host.clock.now() + wait);
    this.#tellNow();
  }

  passed(): void {
    this.#report.passed();
  }

  leave(): void {
    this.#hasLeft = true;
    this.#cancelHeartbeat?.();
    this.#tellNow();
  }

  get #members(): number {
    return Math.max(1, this.#reply?.members ?? this.#settings.processes);
  }

  /** The position in the pool's accounting of a call without a grant. */
  #latest(now: number): Charge {
    const { now: then = 0, era = 0, mark = nothing, grants = [] } = this.#reply ?? {};
    return {
      at: then + now - this.#repliedAt,
      era,
      mark: [mark[0] + grants.length, ...mark.slice(1)] as never,
    };
  }

  /** Gives back what is left, and reports what the others must be told. */
  #tellNow(): void {
    this.#grants.giveBackAll(this.#report);
    this.#isUrgent = true;
    if (!this.#question && this.#connection === 'connected') {
      this.#ask(undefined, this.#host.clock.now());
    }
  }

  /** Whether a priority waits that the pool was not told of, and that may be next at once. */
  #hasNewRank(now: number): boolean {
    return (
      now - this.#repliedAt >= leastPause &&
      this.#host.demand().waiting.some((count, rank) => count > 0 && !this.#asked[rank])
    );
  }

  #ask(cost: FleetCost | undefined, now: number): void {
    const { deadline, id, ask } = this.#settings;
    const { clock, limits } = this.#host;
    const question = {};
    const era = this.#reply?.era ?? 0;
    if (!this.#sent) {
      this.#sent = { report: this.#report, number: ++this.#reports };
      this.#report = new PoolReport();
    }
    const wanted = cost ? { ...this.#demand.wanted(this.#host.demand(), now), c: cost } : nothingWanted;
    const text = JSON.stringify({
      ...{ id, era, since: now - (this.#askedAt ?? now), ...wanted },
      limits: limits.map(({ name, dimension, limit, window }) => [
        ...[name, fleetDimensions.indexOf(dimension) + 1, limit, window],
      ]),
      report: this.#sent.report.text(this.#sent.number, era, now),
      ...(this.#share && { bring: this.#share.brought(now) }),
    });
    // The share already includes what it spent, so do not report it again.
    const brought = this.#share ? this.#report.spent : nothing;
    this.#trips++;
    this.#question = question;
    this.#asked = wanted.d;
    this.#askedAt = now;
    this.#isUrgent = false;
    const overdue = () => this.#failed(question, 'deadline');
    let cancel = clock.schedule(deadline, () => {
      // If the process itself was late, the answer may wait in the event loop.
      cancel = clock.now() > now + deadline ? clock.schedule(0, overdue) : cancel;
      if (clock.now() <= now + deadline) overdue();
    });
    ask(text).then(
      (reply) => {
        cancel();
        this.#answered(question, wanted.c, reply, brought);
      },
      (error: unknown) => {
        cancel();
        this.#failed(question, 'failed', error);
      },
    );
  }

  #answered(question: object, cost: FleetCost, text: unknown, brought: FleetCost): void {
    const now = this.#host.clock.now();
    let reply: PoolReply | 'again';
    try {
      reply = poolReplyOf(text);
    } catch (error) {
      this.#failed(question, 'failed', error);
      return;
    }
    if (this.#question !== question) {
      if (reply !== 'again') {
        // Too late to be used.
        const late = new GrantedStarts();
        late.add(reply, cost, now);
        late.giveBackAll(this.#report);
      }
      return;
    }
    this.#question = undefined;
    if (reply === 'again') {
      this.#share = this.#shareOf();
      this.#connection = 'connecting';
      this.#ask(undefined, now);
      return;
    }
    if (this.#reply && this.#reply.era !== reply.era) {
      this.#report.spend(minus(nothing, brought));
    }
    const wasBypassed = this.#pause > 0;
    this.#pause = 0;
    this.#sent = undefined;
    this.#share = undefined;
    this.#reply = reply;
    this.#repliedAt = now;
    this.#connection = 'connected';
    this.#grants.add(reply, cost, now);
    for (const [, dimension] of reply.b) {
      this.#counted = new Set(this.#counted).add(dimension - 1);
    }
    const jitter = (Math.random() * horizon) / 4;
    this.#askAfter = reply.ask > 0 ? now + Math.max(leastPause, reply.ask - horizon / 2) + jitter : now;
    this.#beatIn(heartbeat);
    if (wasBypassed) {
      this.#host.notify({ type: 'fleet-restored', at: now });
    }
    if (this.#isUrgent) {
      this.#tellNow();
    }
    this.#host.changed();
  }

  #failed(question: object, reason: 'deadline' | 'failed', error?: unknown): void {
    if (this.#question !== question) {
      return;
    }
    const now = this.#host.clock.now();
    this.#question = undefined;
    this.#pause = Math.min(longestPause, Math.max(firstPause, 2 * this.#pause));
    this.#askAfter = now + this.#pause;
    this.#beatIn(this.#pause);
    if (this.#connection !== 'bypassed') {
      this.#grants.giveBackAll(this.#report);
      this.#share ??= this.#shareOf();
      this.#connection = 'bypassed';
      const cause = error === undefined ? {} : { error };
      this.#host.notify({ type: 'fleet-bypassed', at: now, reason, members: this.#members, ...cause });
      this.#host.changed();
    }
  }

  #shareOf(): OwnShare {
    return new OwnShare(this.#host.limits, this.#reply, this.#repliedAt, this.#members);
  }

  #beatIn(pause: number): void {
    this.#cancelHeartbeat?.();
    if (this.#hasLeft) {
      return;
    }
    const { clock } = this.#host;
    const beat = () => {
      if (!this.#question) {
        this.#ask(undefined, clock.now());
      }
    };
    this.#cancelHeartbeat = clock.schedule(pause, beat, { background: true });
  }
}
