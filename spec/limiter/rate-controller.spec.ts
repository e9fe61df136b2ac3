import { range, take } from 'rxjs';
import { AdaptiveRateLimiter, type RateLimiterConfig } from '../../lib/limiter/adaptive-rate-limiter';
import { RateController, type Refusal } from '../../lib/limiter/rate-controller';
import { StartLog } from '../../lib/limiter/start-log';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { SimulatedProvider, type SimulatedProviderConfig } from '../../lib/testing';
import { inVirtualTime, rethrow } from '../test-scheduler';

const minute = 60_000;

/** A controller and the starts that it looks at. */
function controlled(given: { base?: number; min?: number; max?: number; adaptive?: boolean } = {}) {
  const { base = 1000, min = 0, max = 30_000, adaptive = true } = given;
  const starts = new StartLog();
  return { controller: new RateController({ base, min, max, adaptive }, starts), starts };
}

function refusalOf(startedAt: number, more: Partial<Refusal> = {}): Refusal {
  return {
    startedAt,
    startNumber: undefined,
    isExplained: false,
    statedSpacing: 0,
    countsByWindows: false,
    holdEnd: startedAt + 500,
    ...more,
  };
}

/** A time of demand in which a call is answered well every so many milliseconds. */
function answerFor(controller: RateController, from: number, until: number, every = 100): void {
  for (let now = from; now <= until; now += every) {
    controller.active(now);
    controller.paceHeld(now);
    controller.succeeded(now - 10, now);
  }
}

describe('RateController', () => {
  describe('without anything heard', () => {
    it('keeps the interval at base, however long others wait', () => {
      const { controller } = controlled();
      for (let now = 0; now < 50_000; now += 100) {
        controller.active(now);
        controller.paceHeld(now);
      }
      expect(controller.interval(50_000)).toBe(1000);
      expect(controller.learned.isKnown).toBe(false);
    });
  });

  describe('under demand without push-back', () => {
    it('shrinks the interval by and by, at least by a tenth in a second', () => {
      const { controller } = controlled();
      let last = 1000;
      for (let second = 1; second <= 5; second++) {
        answerFor(controller, (second - 1) * 1000 + 100, second * 1000);
        expect(controller.interval(second * 1000)).toBeLessThan(0.9 * last);
        expect(controller.interval(second * 1000)).toBeGreaterThan(0.1 * last);
        last = controller.interval(second * 1000);
      }
    });

    it('shrinks it with the time that went well, not with the number of answers', () => {
      const few = controlled().controller;
      const many = controlled().controller;
      answerFor(few, 0, 5000, 500);
      answerFor(many, 0, 5000, 5);
      expect(many.interval(5000)).toBeCloseTo(few.interval(5000), -1);
      const atOnce = controlled().controller;
      atOnce.paceHeld(0);
      for (let count = 0; count < 1000; count++) {
        atOnce.succeeded(-10, 0);
      }
      expect(atOnce.interval(0)).toBeGreaterThan(100);
    });

    it('does not shrink it where the interval held nobody', () => {
      const { controller } = controlled();
      for (let now = 0; now < 5000; now += 100) {
        controller.active(now);
        controller.succeeded(now - 10, now);
      }
      expect(controller.interval(5000)).toBe(1000);
    });

    it('is more careful when it is fast already', () => {
      const factor = (base: number) => {
        const { controller } = controlled({ base });
        answerFor(controller, 0, 100);
        const before = controller.interval(100);
        answerFor(controller, 200, 1100);
        return controller.interval(1100) / before;
      };
      expect(factor(10)).toBeGreaterThan(factor(1000));
    });

    it('keeps within min and max', () => {
      const { controller } = controlled({ min: 400, max: 2000 });
      answerFor(controller, 0, 20_000);
      expect(controller.interval(20_000)).toBe(400);
      for (let count = 1; count <= 10; count++) {
        controller.cut(refusalOf(20_000 + count), 20_000 + count);
        expect(controller.interval(20_000 + count)).toBeLessThanOrEqual(2000);
      }
      expect(controller.interval(20_010)).toBe(2000);
    });
  });

  describe('on push-back', () => {
    it('takes one step back per episode: calls that began before the cut belong to it', () => {
      const { controller } = controlled();
      expect(controller.isNewEpisode(500, undefined)).toBe(true);
      controller.cut(refusalOf(500), 1000);
      const interval = controller.interval(1000);
      expect(interval).toBeGreaterThan(1000);
      for (const startedAt of [0, 500, 999]) {
        expect(controller.isNewEpisode(startedAt, undefined)).toBe(false);
        controller.refusedAgain();
      }
      expect(controller.interval(1000)).toBe(interval);
      expect(controller.isNewEpisode(1001, undefined)).toBe(true);
    });

    it('hears no success in calls that began before the cut', () => {
      const { controller } = controlled();
      controller.cut(refusalOf(500), 1000);
      const interval = controller.interval(1000);
      for (let now = 1000; now < 3000; now += 100) {
        controller.active(now);
        controller.paceHeld(now);
        controller.succeeded(900, now);
      }
      expect(controller.interval(3000)).toBe(interval);
    });

    it('steps back once when the provider has no room, and learns no rate from that', () => {
      const { controller } = controlled();
      controller.slowDown(1000);
      expect(controller.interval(1000)).toBeGreaterThan(1000);
      expect(controller.interval(1000)).toBeLessThanOrEqual(4000);
      expect(controller.isNewEpisode(999, undefined)).toBe(false);
      expect(controller.learned.isKnown).toBe(false);
    });

    it('guesses less than what was tried when the first refusal comes, and not next to nothing', () => {
      const { controller, starts } = controlled({ base: 0 });
      for (let now = 0; now <= 2000; now += 50) {
        starts.add(now);
      }
      controller.cut(refusalOf(2000, { startNumber: starts.count }), 2050);
      expect(controller.learned.perSecond).toBeLessThan(20);
      expect(controller.learned.perSecond).toBeGreaterThan(5);
      expect(controller.interval(2050)).toBeCloseTo(1000 / controller.learned.perSecond);
    });

    it('takes what was admitted between two episodes for the rate, whatever was tried', () => {
      const { controller, starts } = controlled({ base: 0 });
      const startMany = (from: number, until: number, every: number) => {
        for (let now = from; now < until; now += every) {
          starts.add(now);
        }
      };
      startMany(0, 5000, 100);
      controller.cut(refusalOf(4900, { startNumber: starts.count, holdEnd: 6000 }), 5000);
      // Ten seconds at five a second go well, but for the last call.
      startMany(6000, 16_000, 200);
      starts.add(16_000);
      controller.cut(refusalOf(16_000, { startNumber: starts.count }), 16_100);
      expect(controller.learned.perSecond).toBeGreaterThan(3.5);
      expect(controller.learned.perSecond).toBeLessThanOrEqual(5.1);
    });

    it('learns nothing of the rate from a probe that found the hold too short', () => {
      const { controller, starts } = controlled({ base: 0 });
      for (let now = 0; now <= 2000; now += 50) {
        starts.add(now);
      }
      controller.cut(refusalOf(2000, { startNumber: starts.count }), 2050);
      const { perSecond } = controller.learned;
      for (const now of [2600, 3700, 5800]) {
        starts.add(now);
        controller.cut(refusalOf(now, { startNumber: starts.count }), now + 50);
        expect(controller.learned.perSecond).toBe(perSecond);
      }
    });
  });

  describe('with a limit that the provider states', () => {
    it('sets the interval at once, whatever it was, but within min and max', () => {
      for (const base of [0, 1000, 30_000]) {
        const { controller } = controlled({ base });
        controller.stated(100, 0);
        expect(controller.interval(0)).toBe(100);
      }
      const { controller } = controlled({ min: 500, max: 2000 });
      controller.stated(100, 0);
      expect(controller.interval(0)).toBe(500);
      controller.stated(10_000, 0);
      expect(controller.interval(0)).toBe(2000);
    });

    it('takes no notice of the same one again', () => {
      const { controller } = controlled();
      controller.stated(100, 0);
      controller.cut(refusalOf(10, { statedSpacing: 100 }), 20);
      const interval = controller.interval(20);
      controller.stated(100, 30);
      expect(controller.interval(30)).toBe(interval);
    });

    it('forgets what was learned under another limit', () => {
      const { controller, starts } = controlled({ base: 0 });
      for (let now = 0; now <= 2000; now += 50) {
        starts.add(now);
      }
      controller.cut(refusalOf(2000, { startNumber: starts.count }), 2050);
      expect(controller.learned.isKnown).toBe(true);
      controller.stated(500, 3000);
      expect(controller.learned.isKnown).toBe(false);
      expect(controller.interval(3000)).toBe(500);
    });

    it('learns no other rate from a refusal that it explains', () => {
      const { controller, starts } = controlled();
      controller.stated(100, 0);
      for (let now = 0; now <= 2000; now += 50) {
        starts.add(now);
      }
      const { count: startNumber } = starts;
      controller.cut(refusalOf(2000, { startNumber, isExplained: true, statedSpacing: 100 }), 2050);
      expect(controller.learned.isKnown).toBe(false);
      expect(controller.interval(2050)).toBeGreaterThanOrEqual(100);
    });

    it('keeps to its rate after a refusal that it does not explain, as a hidden limit keeps stored bursts back', () => {
      const { controller, starts } = controlled();
      controller.stated(100, 0);
      for (let now = 0; now <= 2000; now += 50) {
        starts.add(now);
      }
      controller.cut(refusalOf(2000, { startNumber: starts.count, statedSpacing: 100 }), 2050);
      expect(controller.learned.perSecond).toBeGreaterThan(8);
      expect(controller.learned.perSecond).toBeLessThanOrEqual(10);
      expect(controller.interval(2050)).toBeGreaterThanOrEqual(100);
    });

    it('does not let what a budget stored be spent in one burst', () => {
      const { controller } = controlled({ base: 0 });
      for (let now = 0; now <= 5000; now += 100) {
        controller.active(now);
        controller.budgetHeld(100, now);
        controller.succeeded(now - 10, now);
      }
      expect(controller.interval(5000)).toBeGreaterThan(0);
      expect(controller.interval(5000)).toBeLessThanOrEqual(100);
    });
  });

  describe('idle', () => {
    it('goes back to base after a while of quiet, faster or slower as it was', () => {
      const fast = controlled().controller;
      answerFor(fast, 0, 5000);
      expect(fast.interval(5000)).toBeLessThan(1000);
      expect(fast.interval(5000 + 5 * minute)).toBe(1000);
      const slow = controlled().controller;
      slow.active(0);
      slow.cut(refusalOf(0), 0);
      expect(slow.interval(0)).toBeGreaterThan(1000);
      expect(slow.interval(5 * minute)).toBe(1000);
    });

    it('goes back to what the provider stated, where it did', () => {
      const { controller } = controlled();
      controller.active(0);
      controller.stated(100, 0);
      controller.cut(refusalOf(0, { isExplained: true, statedSpacing: 100 }), 0);
      expect(controller.interval(5 * minute)).toBe(100);
    });

    it('is not what somebody is who waits for a time to come', () => {
      const { controller } = controlled();
      controller.active(0);
      controller.cut(refusalOf(0), 0);
      const interval = controller.interval(0);
      controller.activeUntil(10 * minute);
      expect(controller.interval(10 * minute)).toBe(interval);
      expect(controller.interval(15 * minute)).toBe(1000);
    });
  });

  it('keeps the interval at base with adaptive: false, whatever is heard', () => {
    const { controller, starts } = controlled({ adaptive: false });
    answerFor(controller, 0, 5000);
    for (let now = 0; now <= 2000; now += 50) {
      starts.add(now);
    }
    controller.cut(refusalOf(6000, { startNumber: starts.count }), 6000);
    controller.slowDown(6000);
    controller.stated(100, 6000);
    expect(controller.interval(6000)).toBe(1000);
    expect(controller.interval(60 * minute)).toBe(1000);
    expect(controller.learned.isKnown).toBe(false);
    // Refusals are told apart all the same, for the hold.
    expect(controller.isNewEpisode(5000, undefined)).toBe(false);
  });

  describe('against a provider', () => {
    /** What the limiter has learned when so many requests were answered, and how many were refused. */
    function learnedFrom(
      provider: SimulatedProviderConfig<number>,
      count: number,
      config: RateLimiterConfig = {},
    ) {
      return inVirtualTime((scheduler) => {
        const simulated = new SimulatedProvider<number>({
          tokensOf: () => ({ input: 10, output: 20 }),
          scheduler,
          ...provider,
        });
        const limiter = new AdaptiveRateLimiter({ scheduler, ...config });
        let state = limiter.state;
        range(0, 10 * count)
          .pipe(
            mergeWithConcurrency(simulated.call, {
              limiter,
              maxConcurrent: 100,
              retry: { random: () => 0.5 },
            }),
            take(count),
          )
          .subscribe({ error: rethrow, complete: () => (state = limiter.state) });
        scheduler.flush();
        return { ...state, refused: simulated.statistics.refused };
      });
    }

    it.each([120, 300, 600, 1200])('finds the rate of %i a minute where nothing is stated', (limit) => {
      const { learnedRate, refused } = learnedFrom(
        { limits: [{ of: 'requests', limit, depth: limit / 60 }], headers: 'none', retryAfter: 'none' },
        limit,
      );
      // More is tried from time to time, and less for a while after that.
      expect(learnedRate).toBeGreaterThan((0.6 * limit) / 60);
      expect(learnedRate).toBeLessThan((1.6 * limit) / 60);
      expect(refused).toBeLessThan(0.06 * limit);
    });

    it('needs no learned rate where the provider states its limit, and is not refused', () => {
      const { learnedRate, refused, budgets } = learnedFrom(
        { limits: [{ of: 'requests', limit: 600 }] },
        1500,
      );
      expect(learnedRate).toBeUndefined();
      expect(refused).toBe(0);
      expect(budgets).toMatchObject([{ name: 'requests', limit: 600 }]);
    });

    it('keeps to base with adaptive: false, whatever the provider says', () => {
      const { learnedRate, currentInterval } = learnedFrom(
        { limits: [{ of: 'requests', limit: 60, depth: 1 }], headers: 'none' },
        30,
        { adaptive: false, baseInterval: 100 },
      );
      expect(currentInterval).toBe(100);
      expect(learnedRate).toBeUndefined();
    });
  });
});
