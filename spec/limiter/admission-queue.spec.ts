import { Ticket, type TicketOwner } from '../../lib/core/ticket';
import type { PriorityRank } from '../../lib/core/priority';
import { AdmissionQueue, type StartGate } from '../../lib/limiter/admission-queue';
import { SlotPool } from '../../lib/limiter/slot-pool';

const low = 0;
const medium = 1;

/** A queue whose time stands still until it is set, and the requests that it started. */
function queueOf(slots: number, gate?: StartGate) {
  let time = 0;
  const scheduled: (() => void)[] = [];
  const schedule = (_delay: number, task: () => void) => {
    scheduled.push(task);
    return () => undefined;
  };
  const queue = new AdmissionQueue({ now: () => time, date: () => time, schedule }, gate);
  const pool = new SlotPool(slots);
  const starts: unknown[] = [];
  const owner: TicketOwner = {
    start: ({ request }) => starts.push(request),
    expired: ({ request }) => starts.push(`${String(request)} expired`),
    cancelled: () => undefined,
    raised: () => undefined,
  };
  return {
    queue,
    pool,
    starts,
    add: (request: string, rank: PriorityRank = medium, lane?: string) => {
      const ticket = new Ticket(request, time);
      ticket.rank = rank;
      ticket.lane = lane;
      queue.add(ticket, pool, owner, time);
      return ticket;
    },
    addRefused: (request: string, behindUntil: number) => {
      const ticket = new Ticket(request, time);
      ticket.attempts = 1;
      ticket.lastFailure = { startedAt: 0, latency: 0, error: 0, refusals: 1, elapsedFrom: 0, behindUntil };
      queue.add(ticket, pool, owner, time);
      return ticket;
    },
    at: (now: number) => {
      time = now;
    },
    ring: () => scheduled.forEach((task) => task()),
  };
}

describe('AdmissionQueue', () => {
  it('tells the gate and each start the time at which it starts', () => {
    let time = 0;
    const passed: number[] = [];
    const starts: unknown[] = [];
    const gate: StartGate = {
      opensAt: (_rank, _tokens, _asks, now) => now,
      pass: (_rank, _tokens, _asks, now) => passed.push(now),
    };
    const queue = new AdmissionQueue(
      { now: () => ++time, date: () => time, schedule: () => () => undefined },
      gate,
    );
    const owner: TicketOwner = {
      start: ({ request }, now) => starts.push([request, now]),
      expired: () => undefined,
      cancelled: () => undefined,
      raised: () => undefined,
    };
    const pool = new SlotPool(3);
    queue.add(new Ticket('a', 1), pool, owner, 1);
    queue.add(new Ticket('b', 1), pool, owner, 1);
    queue.drain();
    expect(starts).toEqual([
      ['a', passed[0]],
      ['b', passed[1]],
    ]);
    expect(passed[1]).toBeGreaterThan(passed[0]!);
  });

  it('starts no ticket that is overdue', () => {
    const { queue, add, starts, at } = queueOf(3);
    add('a').deadline = 6;
    add('b').deadline = 8;
    at(7);
    queue.drain();
    expect(starts).toEqual(['a expired', 'b']);
  });

  describe('a class that comes while others wait', () => {
    it('is next at once, however often it was alone before', () => {
      const { queue, pool, add, starts } = queueOf(10);
      for (let count = 1; count <= 10; count++) {
        add('alone', low);
        queue.drain();
      }
      for (const request of ['a', 'b', 'c']) {
        add(request);
      }
      queue.setLimit(pool, 11);
      add('low', low);
      queue.setLimit(pool, Infinity);
      expect(starts.slice(10)).toEqual(['a', 'low', 'b', 'c']);
    });
  });

  describe('those who were refused', () => {
    it('take no part in the turns of the lanes, and are served when nobody else waits', () => {
      const { queue, pool, add, addRefused, starts, at } = queueOf(0);
      addRefused('refused', 1000);
      for (let count = 1; count <= 40; count++) {
        add('a', medium, 'a');
      }
      queue.setLimit(pool, 20);
      at(10);
      for (let count = 1; count <= 20; count++) {
        add('b', medium, 'b');
      }
      queue.setLimit(pool, Infinity);
      expect(starts.slice(0, 20)).toEqual(Array(20).fill('a'));
      // A lane that comes later shares from then on; it makes up for nothing.
      const shared = starts.slice(20, 40).filter((request) => request === 'b').length;
      expect(Math.abs(shared - 10)).toBeLessThanOrEqual(1);
      expect(starts.indexOf('refused')).toBe(60);
    });

    it.each([
      ['when their time to stand behind is over', false],
      ['then, too, when their rank was raised meanwhile', true],
    ])('stand at the front again %s', (_name, isRaised) => {
      const { queue, pool, add, addRefused, starts, at, ring } = queueOf(0);
      const ticket = addRefused('refused', 1000);
      const rank = isRaised ? 3 : medium;
      add('a', rank);
      if (isRaised) {
        ticket.rank = rank;
        queue.promote(ticket);
      }
      expect(queue.waitingOf(rank)).toBe(2);
      at(1000);
      ring();
      queue.setLimit(pool, Infinity);
      expect(starts).toEqual(['refused', 'a']);
      expect(queue.waiting).toBe(0);
    });
  });

  it('serves lanes in turns, also while the slots of some pipelines are all taken', () => {
    const { queue, pool, add, starts } = queueOf(0);
    const others: string[] = [];
    const owner: TicketOwner = {
      start: ({ request }) => others.push(request as string),
      expired: () => undefined,
      cancelled: () => undefined,
      raised: () => undefined,
    };
    const busy = new SlotPool(0);
    for (const lane of ['x', 'y']) {
      for (const count of [1, 2]) {
        const ticket = new Ticket(`${lane}${count}`, 0);
        ticket.lane = lane;
        queue.add(ticket, busy, owner, 0);
        add(`${lane}${count}`, medium, lane);
      }
    }
    queue.setLimit(pool, 3);
    expect(starts).toEqual(['x1', 'y1', 'x2']);
    expect(others).toEqual([]);
    queue.setLimit(busy, 4);
    expect(others).toEqual(['y1', 'x1', 'y2', 'x2']);
    expect(queue.waiting).toBe(1);
  });
});
