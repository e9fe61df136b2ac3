import * as fc from 'fast-check';
import { Budget } from '../../lib/limiter/budget';
import type { LimitedDimension, StatedLimit } from '../../lib/provider/rate-limit-headers';
import { seededRandom } from '../../lib/testing/random';

const minute = 60_000;

/** A budget of 600 a minute, so one each 100 ms, and 10 at once. */
function budgetOf(given: { limit?: number; depth?: number; dimension?: LimitedDimension; at?: number } = {}) {
  const { limit = 600, depth = 10, dimension = 'requests', at = 0 } = given;
  return new Budget({ name: dimension, dimension, limit, window: minute }, depth, at);
}

function statement(stated: Partial<StatedLimit> = {}): StatedLimit {
  return {
    name: 'requests',
    dimension: 'requests',
    limit: 600,
    remaining: undefined,
    reset: undefined,
    window: minute,
    ...stated,
  };
}

/** The answer to a call that began then says so much, and is heard now; calls that began later have taken so much. */
function hear(budget: Budget, stated: StatedLimit, startedAt: number, now: number, takenSince = 0): void {
  budget.sync(stated, startedAt, takenSince > 0 ? [{ number: 1, at: now, cost: takenSince }] : [], now, 0);
}

/** The same for a call that took so much itself, and is answered at once. */
function hearOwn(budget: Budget, stated: StatedLimit, at: number, cost = 1): void {
  budget.sync(stated, at, [{ number: 0, at, cost }], at, 0);
}

describe('Budget', () => {
  describe('the bucket', () => {
    it('is full at first, pays what is taken, and refills with time up to its depth', () => {
      const budget = budgetOf();
      expect(budget.remaining(0)).toBe(10);
      budget.take(4, 0);
      expect(budget.remaining(0)).toBe(6);
      expect(budget.remaining(200)).toBeCloseTo(8);
      expect(budget.remaining(10_000)).toBe(10);
    });

    it('opens when enough has come in, not before', () => {
      const budget = budgetOf();
      budget.take(10, 0);
      expect(budget.opensAt(1, 0)).toBe(100);
      expect(budget.opensAt(3, 0)).toBe(300);
      expect(budget.opensAt(3, 150)).toBe(300);
      expect(budget.opensAt(3, 300)).toBeLessThanOrEqual(300);
    });

    it('lets a cost above its depth through once it is full, and those who come later pay the debt', () => {
      const budget = budgetOf();
      budget.take(1, 0);
      expect(budget.opensAt(30, 0)).toBe(100);
      budget.take(30, 100);
      expect(budget.remaining(100)).toBe(-20);
      expect(budget.opensAt(1, 100)).toBe(100 + 2100);
      expect(budget.opensAt(1, 2200)).toBeLessThanOrEqual(2200);
    });

    it.each([7, 13, 59, 61, 179, 601, 2999])(
      'loses and gains nothing by rounding at %i a minute',
      (limit) => {
        const budget = budgetOf({ limit, depth: 1 });
        let now = 0;
        for (let count = 0; count < 1000; count++) {
          const opensAt = budget.opensAt(1, now);
          expect(opensAt).toBeLessThan(now + minute);
          // Timers know whole milliseconds only.
          expect(opensAt).toBe(Math.ceil(opensAt));
          // Whoever comes at the time that was told is let through then.
          expect(budget.opensAt(1, opensAt)).toBeLessThanOrEqual(Math.max(now, opensAt));
          now = Math.max(now, opensAt);
          budget.take(1, now);
          expect(budget.remaining(now)).toBeGreaterThan(-1e-6);
        }
        const least = (999 * minute) / limit;
        expect(now).toBeGreaterThanOrEqual(least - 1e-3);
        expect(now).toBeLessThanOrEqual(least + 1000);
      },
    );

    it('tells what it is', () => {
      const budget = budgetOf({ dimension: 'tokens' });
      budget.take(3, 0);
      expect(budget.state(0)).toEqual({
        name: 'tokens',
        dimension: 'tokens',
        source: 'stated',
        limit: 600,
        window: minute,
        remaining: 7,
        inFlight: 0,
        fullAt: 300,
        foreignPerMinute: 0,
      });
      expect(budget.perMinute).toBe(600);
    });
  });

  describe('settling', () => {
    it('gives back what a call reserved and did not use', () => {
      const budget = budgetOf({ limit: 60_000, depth: 60_000, dimension: 'tokens' });
      budget.take(5000, 0);
      budget.settle(5000, 1000, 0);
      expect(budget.remaining(0)).toBe(59_000);
    });

    it('takes what a call used beyond what it reserved, into debt if need be', () => {
      const budget = budgetOf({ limit: 60_000, depth: 60_000, dimension: 'tokens' });
      budget.take(50_000, 0);
      budget.settle(50_000, 65_000, 0);
      expect(budget.remaining(0)).toBe(-5000);
      expect(budget.opensAt(1000, 0)).toBe(6000);
    });

    it('never fills it above its depth', () => {
      const budget = budgetOf({ limit: 60_000, depth: 60_000, dimension: 'tokens' });
      budget.take(5000, 0);
      expect(budget.remaining(minute)).toBe(60_000);
      budget.settle(5000, 100, 0);
      expect(budget.remaining(minute)).toBe(60_000);
    });

    it('tells calls that began in one millisecond apart by their numbers', () => {
      const budget = budgetOf({ limit: 60_000, depth: 60_000, dimension: 'tokens' });
      const stated = statement({ limit: 60_000, remaining: 50_000 });
      budget.sync(stated, 0, [{ number: 3, at: 0, cost: 7000 }], 0, 2);
      // The answer to an earlier call says less of what is left now.
      budget.sync({ ...stated, remaining: 1000 }, 0, [], 0, 1);
      expect(budget.remaining(0)).toBe(43_000);
      budget.settle(5000, 0, 0, 2);
      expect(budget.remaining(0)).toBe(43_000);
      budget.settle(7000, 0, 0, 3);
      expect(budget.remaining(0)).toBe(50_000);
    });

    it('changes nothing where the provider has told what is left since', () => {
      const budget = budgetOf({ limit: 60_000, depth: 60_000, dimension: 'tokens' });
      budget.take(5000, 0);
      hear(budget, statement({ limit: 60_000, remaining: 20_000 }), 0, 1);
      budget.settle(5000, 100, 0);
      expect(budget.remaining(1)).toBeCloseTo(20_001);
    });
  });

  describe('statements', () => {
    it('say what was left when the call that is answered began: later calls are taken off, the refill is added', () => {
      const budget = budgetOf({ depth: 600 });
      budget.take(20, 0);
      budget.take(7, 500);
      hear(budget, statement({ remaining: 400 }), 0, 1000, 7);
      expect(budget.remaining(1000)).toBeCloseTo(400 + 10 - 7);
    });

    it('tell how deep the bucket is, by the time until it is full', () => {
      const budget = budgetOf({ depth: 600 });
      budget.take(4, 0);
      hear(budget, statement({ remaining: 6, reset: 400 }), 0, 0);
      expect(budget.depth).toBeCloseTo(10);
      expect(budget.remaining(0)).toBeCloseTo(6);
      expect(budget.remaining(minute)).toBeCloseTo(10);
    });

    it('are ignored if a later call has been answered', () => {
      const budget = budgetOf({ depth: 600 });
      hear(budget, statement({ remaining: 100 }), 500, 1000);
      const remaining = budget.remaining(1000);
      hear(budget, statement({ remaining: 500, limit: 60 }), 400, 1000);
      expect(budget.remaining(1000)).toBe(remaining);
      expect(budget.limit).toBe(600);
    });

    it('without figures for what is left change nothing but the limit', () => {
      const budget = budgetOf({ depth: 600 });
      budget.take(100, 0);
      hear(budget, statement(), 0, 0);
      expect(budget.remaining(0)).toBe(500);
    });

    it('keep a little for what the books cannot know', () => {
      const budget = budgetOf({ depth: 600 });
      hear(budget, statement({ remaining: 1 }), 0, 0);
      expect(budget.opensAt(1, 0)).toBeGreaterThan(0);
      expect(budget.opensAt(1, 0)).toBeLessThanOrEqual(1000);
      // A full bucket has nothing to wait for.
      expect(budget.opensAt(600, minute)).toBeLessThanOrEqual(minute);
    });

    it('that lower the limit lower the rate, the depth and what is left', () => {
      const budget = budgetOf({ depth: 600 });
      hear(budget, statement({ limit: 120 }), 0, 0);
      expect(budget.limit).toBe(120);
      expect(budget.perMinute).toBe(120);
      expect(budget.depth).toBe(120);
      expect(budget.remaining(0)).toBe(120);
      budget.take(120, 0);
      expect(budget.remaining(1000)).toBeCloseTo(2);
    });

    it('that raise the limit raise the rate and the depth, and give nothing by themselves', () => {
      const budget = budgetOf({ limit: 120, depth: 120 });
      budget.take(120, 0);
      hear(budget, statement({ limit: 600 }), 0, 0);
      expect(budget.perMinute).toBe(600);
      expect(budget.depth).toBe(600);
      expect(budget.remaining(0)).toBe(0);
      expect(budget.remaining(1000)).toBeCloseTo(10);
    });
  });

  describe('a limit that is not stated any more', () => {
    const hour = 3_600_000;
    const day = 24 * hour;

    it('is believed for two minutes at least, and for its window', () => {
      const byTheMinute = budgetOf();
      hear(byTheMinute, statement({ remaining: 600 }), 0, 0);
      expect([byTheMinute.isForgotten(2 * minute - 1), byTheMinute.isForgotten(2 * minute)]).toEqual([
        false,
        true,
      ]);
      const byTheDay = budgetOf();
      hear(byTheDay, statement({ limit: 100, remaining: 100, window: day }), 0, 0);
      expect([byTheDay.isForgotten(day - 1), byTheDay.isForgotten(day)]).toEqual([false, true]);
    });

    it('is believed until the reset that was stated with it', () => {
      const budget = budgetOf({ limit: 5, depth: 5 });
      hear(budget, statement({ limit: 5, remaining: 5, reset: 7 * minute }), 0, 0);
      expect([budget.isForgotten(7 * minute - 1), budget.isForgotten(7 * minute)]).toEqual([false, true]);
    });

    it('is believed until what was spent of it is there again', () => {
      const budget = budgetOf({ depth: 600 });
      hear(budget, statement({ remaining: 0 }), 0, 0);
      budget.settle(0, 1800, 1);
      expect([budget.isForgotten(4 * minute - 1), budget.isForgotten(4 * minute)]).toEqual([false, true]);
    });

    it('is forgotten in the middle of its use where a whole limit was spent and no answer stated it', () => {
      const budget = budgetOf({ depth: 600 });
      hear(budget, statement({ remaining: 0 }), 0, 0);
      for (let at = 1000; at <= 2 * minute; at += 1000) {
        budget.take(10, at);
      }
      expect([budget.isForgotten(2 * minute - 1), budget.isForgotten(2 * minute)]).toEqual([false, true]);
      hear(budget, statement({ remaining: 0 }), 2 * minute, 2 * minute);
      expect(budget.isForgotten(3 * minute)).toBe(false);
    });

    it('is known to hold until the reset after one call that was refused although a bucket had let it through', () => {
      const budget = budgetOf({ limit: 5, depth: 5 });
      const spent = (reset: number) => statement({ limit: 5, remaining: 0, window: day, reset });
      hear(budget, spent(day - 10_000), 0, 0);
      const probedAt = budget.opensAt(1, 0);
      expect(probedAt).toBeGreaterThanOrEqual(day / 5 - 10_000);
      budget.take(1, probedAt);
      hear(budget, spent(day - 10_000 - probedAt), probedAt, probedAt);
      expect(budget.opensAt(1, probedAt)).toBe(day - 10_000);
    });
  });

  describe('a limit that counts by windows', () => {
    const end = 50_000;

    /** Two statements, each a second apart, that can only be those of a window that ends then. */
    function windowed(left = 100): Budget {
      const budget = budgetOf({ depth: 600 });
      hear(budget, statement({ remaining: left + 200, reset: end }), 0, 0);
      hear(budget, statement({ remaining: left + 100, reset: end - 5000 }), 5000, 5000);
      hear(budget, statement({ remaining: left, reset: end - 10_000 }), 10_000, 10_000);
      return budget;
    }

    it('is noticed, as less and less is left and the end stands still', () => {
      expect(windowed().countsByWindows).toBe(true);
    });

    it('may be spent to the last, and then not before it is full again', () => {
      const budget = windowed(2);
      expect(budget.opensAt(1, 10_000)).toBeLessThanOrEqual(10_000);
      budget.take(1, 10_000);
      expect(budget.opensAt(1, 10_000)).toBeLessThanOrEqual(10_000);
      budget.take(1, 10_000);
      expect(budget.opensAt(1, 10_000)).toBe(end);
      expect(budget.opensAt(1, end - 1)).toBe(end);
      expect(budget.opensAt(1, end)).toBeLessThanOrEqual(end);
      expect(budget.remaining(end)).toBe(600);
    });

    it('begins anew after each window, however many were slept through', () => {
      const budget = windowed(0);
      budget.take(600, end);
      expect(budget.opensAt(1, end)).toBe(end + minute);
      budget.take(600, end + 3 * minute + 1000);
      expect(budget.opensAt(1, end + 3 * minute + 1000)).toBe(end + 4 * minute);
    });

    it('is told what is left of this window, less what is in flight', () => {
      const budget = windowed(100);
      hear(budget, statement({ remaining: 80, reset: end - 11_000 }), 11_000, 12_000, 5);
      expect(budget.remaining(12_000)).toBe(75);
    });

    it('does not believe what an answer says of a window that is over', () => {
      const budget = windowed(100);
      expect(budget.remaining(end + 100)).toBe(600);
      hear(budget, statement({ remaining: 3, reset: 10 }), end - 10, end + 200);
      expect(budget.remaining(end + 200)).toBe(600);
    });

    it('is taken for a bucket again when its end begins to move', () => {
      const budget = windowed(100);
      for (let at = 11_000; at < 20_000; at += 1000) {
        hear(budget, statement({ remaining: 100, reset: 50_000 }), at, at);
      }
      expect(budget.countsByWindows).toBe(false);
    });

    it('is not seen in statements that are close to each other, as they may be rounded to seconds', () => {
      const budget = budgetOf({ limit: 90, depth: 90 });
      hear(budget, statement({ limit: 90, remaining: 38, reset: 2000 }), 0, 0);
      hear(budget, statement({ limit: 90, remaining: 38, reset: 1000 }), 1000, 1000);
      expect(budget.countsByWindows).toBe(false);
    });

    /** What a bucket states after a call; all that is told is rounded as providers round it. */
    function* statementsOf(
      limit: number,
      depth: number,
      calls: { wait: number; cost: number }[],
      precision: number,
    ) {
      let level = depth;
      let at = 0;
      const rate = limit / minute;
      for (const { wait, cost } of calls) {
        at += wait;
        level = Math.min(depth, level + wait * rate);
        const taken = Math.min(cost, level);
        if (taken >= 1) {
          level -= Math.floor(taken);
          const reset = Math.ceil((depth - level) / rate / precision - 1e-9) * precision;
          yield { at, taken: Math.floor(taken), remaining: Math.floor(level + 1e-9), reset };
        }
      }
    }

    it('is never seen in a bucket, however few calls it hears of', () => {
      const calls = fc.array(
        fc.record({
          wait: fc.oneof(fc.nat(500), fc.nat(8000), fc.nat(120_000)),
          cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 50 })),
        }),
        { maxLength: 80 },
      );
      fc.assert(
        fc.property(
          calls,
          fc.integer({ min: 5, max: 3000 }),
          fc.double({ min: 0.01, max: 1, noNaN: true }),
          fc.constantFrom(1, 1000),
          (made, limit, share, precision) => {
            const depth = Math.max(1, Math.round(share * limit));
            const budget = budgetOf({ limit, depth: limit });
            for (const { at, taken, remaining, reset } of statementsOf(limit, depth, made, precision)) {
              budget.take(taken, at);
              hear(budget, statement({ limit, remaining, reset }), at, at);
              expect(budget.countsByWindows).toBe(false);
            }
          },
        ),
        { numRuns: 300 },
      );
    });
  });

  describe('others who spend of the same limit', () => {
    /** Two calls a second, and others who spend at some rate; tells the budget at the end. */
    function shared(perMinute: (at: number) => number, until: number): Budget {
      const budget = budgetOf({ depth: 600 });
      let left = 300;
      const step = 500;
      for (let at = step; at <= until; at += step) {
        left = Math.min(600, left + ((600 - perMinute(at)) * step) / minute) - 1;
        budget.take(1, at);
        const reset = ((600 - left) * minute) / 600;
        hearOwn(budget, statement({ remaining: Math.floor(left), reset }), at);
      }
      return budget;
    }

    it('are noticed, and what they spend is not reckoned with', () => {
      const { foreignPerMinute } = shared(() => 240, 30_000).state(30_000);
      expect(foreignPerMinute).toBeGreaterThan(180);
      expect(foreignPerMinute).toBeLessThan(300);
    });

    it('make it refill the slower, as long as they are heard of', () => {
      const budget = shared(() => 240, 30_000);
      const before = budget.remaining(30_000);
      const refill = budget.remaining(31_000) - before;
      expect(refill).toBeGreaterThan(5);
      expect(refill).toBeLessThan(8);
    });

    it('are forgotten when they have left', () => {
      const budget = shared((at) => (at < 30_000 ? 240 : 0), 90_000);
      expect(budget.state(90_000).foreignPerMinute).toBe(0);
    });

    it('count for nothing when nothing was heard for long', () => {
      const budget = shared(() => 240, 30_000);
      budget.take(600, 50_000);
      const before = budget.remaining(50_000);
      expect(budget.remaining(51_000) - before).toBeCloseTo(10);
    });

    it('are never taken to spend all, so that something always comes in', () => {
      const budget = budgetOf({ depth: 600 });
      hear(budget, statement({ remaining: 500 }), 1000, 1000);
      hear(budget, statement({ remaining: 0 }), 2000, 2000);
      expect(budget.state(2000).foreignPerMinute).toBeGreaterThan(0);
      expect(budget.state(2000).foreignPerMinute).toBeLessThan(600);
      const opensAt = budget.opensAt(1, 2000);
      expect(opensAt).toBeGreaterThan(2000);
      expect(opensAt).toBeLessThan(minute);
    });

    it('are not seen where there are none', () => {
      expect(shared(() => 0, 60_000).state(60_000).foreignPerMinute).toBe(0);
    });

    /** How a provider rounds what it states of its bucket. */
    type Dialect = 'milliseconds' | 'seconds' | 'no reset';

    /**
     * A bucket of ten a second, which may be shallow, and one call every `gap` milliseconds, or as soon as the budget
     * opens; `others` times a second others take one. Tells the starts, and what is believed of others at the end.
     */
    function bucketOf(
      dialect: Dialect,
      { depth, until, gap, others }: { depth: number; until: number; gap?: number; others: number },
    ) {
      const budget = budgetOf({ depth: 600 });
      const random = seededRandom(7);
      let left = depth;
      let starts = 0;
      let next = 0;
      for (let at = 0; at <= until; at += 10) {
        left = Math.min(depth, left + 0.1);
        if (left >= 1 && random() < others / 100) {
          left -= 1;
        }
        if (at >= next && (gap !== undefined || budget.opensAt(1, at) <= at)) {
          starts += 1;
          budget.take(1, at);
          next = at + (gap ?? 0);
          if (left >= 1) {
            left -= 1;
          }
          const full = (depth - left) * 100;
          const reset = dialect === 'seconds' ? Math.ceil(full / 1000) * 1000 : Math.ceil(full);
          const stated = { remaining: Math.floor(left + 1e-9), ...(dialect !== 'no reset' && { reset }) };
          hearOwn(budget, statement(stated), at);
        }
      }
      return { starts, foreignPerMinute: budget.state(until).foreignPerMinute };
    }

    it('are never believed to take more the slower we go, in a bucket that is full before each call', () => {
      const until = 600_000;
      const { starts } = bucketOf('milliseconds', { depth: 5, until, others: 1.6 });
      // The reserve is as deep as the bucket, so that some of what others leave is lost whenever they take nothing.
      expect(starts).toBeGreaterThan(0.8 * (10 - 1.6) * (until / 1000));
    });

    it.each<[Dialect, number]>([
      ['milliseconds', 7],
      ['milliseconds', 7.5],
      ['seconds', 7],
      ['seconds', 7.5],
      ['no reset', 7],
      ['no reset', 7.5],
    ])('are not seen in what a bucket loses because it is full: %s, %d deep', (dialect, depth) => {
      for (const gap of [150, 400, 1000, 4000, 8000]) {
        const { foreignPerMinute } = bucketOf(dialect, { depth, until: 120_000, gap, others: 0 });
        expect(foreignPerMinute).toBe(0);
      }
    });

    it('are believed in no longer when we are slow and they have left', () => {
      const budget = shared(() => 400, 30_000);
      expect(budget.state(30_000).foreignPerMinute).toBeGreaterThan(300);
      // Full before each of these calls, which come less often than it would be forgotten that others were there.
      for (let at = 90_000; at <= 120_000; at += 6000) {
        budget.take(1, at);
        hearOwn(budget, statement({ remaining: 599, reset: 100 }), at);
      }
      expect(budget.state(120_000).foreignPerMinute).toBe(0);
    });

    it('are noticed however many of our own calls are in flight', () => {
      const budget = budgetOf({ depth: 600 });
      const flight = 100;
      // Seven starts a second, answered a minute later, of a bucket that is half full; others take the rest.
      for (let number = 0; number < 3000; number++) {
        const at = number * 143;
        budget.take(1, at);
        const answered = number - flight;
        if (answered > 0) {
          const starts = Array.from({ length: flight + 1 }, (_, index) => ({
            number: answered + index,
            at: (answered + index) * 143,
            cost: 1,
          }));
          budget.sync(statement({ remaining: 10, reset: 990 }), answered * 143, starts, at, answered);
        }
      }
      const { foreignPerMinute } = budget.state(3000 * 143);
      expect(foreignPerMinute).toBeGreaterThan(170);
      expect(foreignPerMinute).toBeLessThan(190);
    });
  });
});
