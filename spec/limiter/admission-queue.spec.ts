import { Ticket, type TicketOwner } from '../../lib/core/ticket';
import { AdmissionQueue, type StartGate } from '../../lib/limiter/admission-queue';
import { SlotPool } from '../../lib/limiter/slot-pool';

describe('AdmissionQueue', () => {
  it('tells the gate and each start the time at which it starts', () => {
    let time = 0;
    const clock = { now: () => ++time, schedule: () => () => undefined };
    const passed: number[] = [];
    const starts: unknown[] = [];
    const gate: StartGate = {
      opensAt: (_rank, _tokens, _asks, now) => now,
      pass: (_rank, _tokens, _asks, now) => passed.push(now),
    };
    const queue = new AdmissionQueue(clock, gate);
    const pool = new SlotPool(3, {
      startPlain: (request, _arrivedAt, _id, _rank, now) => starts.push([request, now]),
    });
    queue.addPlain(pool, 'a', 1, 1, 1);
    queue.addPlain(pool, 'b', 1, 2, 1);
    queue.drain();
    expect(starts).toEqual([
      ['a', passed[0]],
      ['b', passed[1]],
    ]);
    expect(passed[1]).toBeGreaterThan(passed[0]!);
  });

  it('starts no ticket that is overdue', () => {
    const told: unknown[] = [];
    const owner: TicketOwner = {
      start: (_ticket, now) => told.push(['started', now]),
      expired: () => told.push('expired'),
      cancelled: () => undefined,
      raised: () => undefined,
    };
    const queue = new AdmissionQueue({ now: () => 7, schedule: () => () => undefined });
    const pool = new SlotPool(3);
    for (const deadline of [6, 8]) {
      const ticket = new Ticket('a', 1);
      ticket.deadline = deadline;
      queue.add(ticket, pool, owner, 1);
    }
    queue.drain();
    expect(told).toEqual(['expired', ['started', 7]]);
  });

  describe('a class that comes while others wait', () => {
    const low = 0;
    const medium = 1;

    it('is next at once, however often it was alone before', () => {
      const starts: unknown[] = [];
      const queue = new AdmissionQueue({ now: () => 0, schedule: () => () => undefined });
      const pool = new SlotPool(10, { startPlain: (request) => starts.push(request) });
      for (let id = 1; id <= 10; id++) {
        queue.addPlain(pool, 'alone', 0, id, low);
        queue.drain();
      }
      for (const request of ['a', 'b', 'c']) {
        queue.addPlain(pool, request, 0, 11, medium);
      }
      queue.setLimit(pool, 11);
      queue.addPlain(pool, 'low', 0, 12, low);
      queue.setLimit(pool, Infinity);
      expect(starts.slice(10)).toEqual(['a', 'low', 'b', 'c']);
    });
  });

  describe('those who were refused', () => {
    const medium = 1;

    it('take no part in the turns of the lanes, and are served when nobody else waits', () => {
      const starts: string[] = [];
      let time = 0;
      const queue = new AdmissionQueue({ now: () => time, schedule: () => () => undefined });
      const pool = new SlotPool(0, { startPlain: (request) => starts.push(request as string) });
      const owner: TicketOwner = {
        start: ({ request }) => starts.push(request as string),
        expired: () => undefined,
        cancelled: () => undefined,
        raised: () => undefined,
      };
      const ticket = new Ticket('refused', 0);
      ticket.attempts = 1;
      ticket.behindUntil = 1000;
      queue.add(ticket, pool, owner, time);
      for (let id = 1; id <= 40; id++) {
        queue.addPlain(pool, 'a', time, id, medium, 'a');
      }
      queue.setLimit(pool, 20);
      time = 10;
      for (let id = 41; id <= 60; id++) {
        queue.addPlain(pool, 'b', time, id, medium, 'b');
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
      const starts: unknown[] = [];
      const scheduled: (() => void)[] = [];
      let time = 0;
      const queue = new AdmissionQueue({
        now: () => time,
        schedule: (_delay, task) => {
          scheduled.push(task);
          return () => undefined;
        },
      });
      const pool = new SlotPool(0, { startPlain: (request) => starts.push(request) });
      const owner: TicketOwner = {
        start: ({ request }) => starts.push(request),
        expired: () => undefined,
        cancelled: () => undefined,
        raised: () => undefined,
      };
      const ticket = new Ticket('refused', 0);
      ticket.attempts = 1;
      ticket.behindUntil = 1000;
      queue.add(ticket, pool, owner, time);
      const rank = isRaised ? 3 : medium;
      queue.addPlain(pool, 'a', time, 1, rank);
      if (isRaised) {
        ticket.rank = rank;
        queue.promote(ticket);
      }
      expect(queue.waitingOf(rank)).toBe(2);
      time = 1000;
      scheduled.forEach((task) => task());
      queue.setLimit(pool, Infinity);
      expect(starts).toEqual(['refused', 'a']);
      expect(queue.waiting).toBe(0);
    });
  });
});
