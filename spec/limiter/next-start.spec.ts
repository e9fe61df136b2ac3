import { NEVER, of, range } from 'rxjs';
import type { CallEvent } from '../../lib/core/events';
import { CallPriority } from '../../lib/core/priority';
import type { CallTraits } from '../../lib/core/traits';
import {
  AdaptiveRateLimiter,
  type Permit,
  type RateLimiterConfig,
} from '../../lib/limiter/adaptive-rate-limiter';
import { reasonOf } from '../../lib/limiter/next-start';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime, rethrow, type WatchedTestScheduler } from '../test-scheduler';

interface World {
  readonly limiter: AdaptiveRateLimiter;
  readonly scheduler: WatchedTestScheduler;
  /** Asks for a permit; what is got is kept. */
  readonly ask: (traits?: CallTraits | CallPriority) => void;
  readonly permits: Permit[];
  readonly startedAt: number[];
  /** Lets virtual time pass until then, and does something there. */
  readonly at: (time: number, task: () => void) => void;
}

/** A limiter in virtual time. */
function world(config: RateLimiterConfig, test: (world: World) => void): void {
  inVirtualTime((scheduler) => {
    const limiter = new AdaptiveRateLimiter({ ...config, scheduler });
    const permits: Permit[] = [];
    const startedAt: number[] = [];
    const ask = (traits?: CallTraits | CallPriority) => {
      limiter.acquire(traits).subscribe({
        next: (permit) => {
          permits.push(permit);
          startedAt.push(scheduler.now());
        },
        error: rethrow,
      });
    };
    const at = (time: number, task: () => void) => scheduler.schedule(task, time);
    test({ limiter, scheduler, ask, permits, startedAt, at });
    scheduler.flush();
  });
}

function failed(status: number, headers: Record<string, string> = {}, id = -1): CallEvent {
  const error = Object.assign(new Error('failed'), { status, headers });
  return { type: 'finished', at: 0, id, attempt: 1, result: 'failed', latency: 0, startedAt: 0, error };
}

describe('what the next request waits for', () => {
  it('is nothing where nothing waits', () => {
    world({}, ({ limiter, ask }) => {
      expect(limiter.state).not.toHaveProperty('next');
      ask();
      expect(limiter.state).not.toHaveProperty('next');
    });
  });

  it('is a slot, where none is free: nobody can tell when', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, scheduler });
      const subscription = range(0, 3)
        .pipe(mergeWithConcurrency(() => NEVER, { limiter, maxConcurrent: 2 }))
        .subscribe();
      expect(limiter.state.next).toEqual({
        gate: 'slots',
        reason: expect.stringContaining('maxConcurrent') as string,
      });
      subscription.unsubscribe();
      expect(limiter.state).not.toHaveProperty('next');
    });
  });

  it('is the end of a pause: nobody can tell when', () => {
    world({}, ({ limiter, ask, startedAt, at }) => {
      limiter.pause();
      ask(CallPriority.HIGH);
      expect(limiter.state.next).toEqual({
        gate: 'pause',
        priority: 'high',
        reason: expect.stringContaining('resume()') as string,
      });
      at(5000, () => {
        limiter.resume();
        expect(limiter.state).not.toHaveProperty('next');
        expect(startedAt).toEqual([5000]);
      });
    });
  });

  it('is the pace: the interval and the multiplier of its priority', () => {
    world({ baseInterval: 1000 }, ({ limiter, ask, startedAt, at }) => {
      ask();
      ask(CallPriority.HIGH);
      const { next } = limiter.state;
      expect(next).toMatchObject({ gate: 'pace', priority: 'high', opensAt: 700 });
      expect(next!.reason).toContain('1000 ms');
      expect(next!.reason).toContain('0.7');
      at(701, () => {
        expect(startedAt).toEqual([0, 700]);
        expect(limiter.state).not.toHaveProperty('next');
      });
    });
  });

  it('is that of the one whose turn it is', () => {
    world({ baseInterval: 1000 }, ({ limiter, ask }) => {
      ask();
      ask(CallPriority.LOW);
      expect(limiter.state.next).toMatchObject({ gate: 'pace', priority: 'low', opensAt: 1500 });
      ask(CallPriority.CRITICAL);
      expect(limiter.state.next).toMatchObject({ gate: 'pace', priority: 'critical', opensAt: 300 });
    });
  });

  it('is the hold after a refusal, with what is left of it', () => {
    world({}, ({ limiter, ask, at, startedAt }) => {
      limiter.observe(failed(429, { 'retry-after': '30' }));
      ask(CallPriority.CRITICAL);
      const { next, heldUntil, holdReason } = limiter.state;
      expect(next).toMatchObject({ gate: 'hold', priority: 'critical', opensAt: 30_000 });
      expect(next!.reason).toContain('429');
      expect(next!.reason).toContain('30 s');
      expect({ heldUntil, holdReason }).toEqual({ heldUntil: 30_000, holdReason: 'rate-limited' });
      at(17_600, () => expect(limiter.state.next!.reason).toContain('12.4 s'));
      at(30_001, () => expect(startedAt).toEqual([30_000]));
    });
  });

  it('is an outage, until a probe may start, and until the probe has ended', () => {
    world({ baseInterval: 0 }, ({ limiter, ask, at, startedAt }) => {
      for (let id = 1; id <= 16; id++) {
        limiter.observe(failed(500, {}, -id));
      }
      ask();
      ask();
      const { next } = limiter.state;
      expect(next!.gate).toBe('outage');
      expect(next!.reason).toContain('failed');
      const probeAt = next!.opensAt!;
      expect(probeAt).toBeGreaterThan(0);
      at(probeAt + 1, () => {
        expect(startedAt).toEqual([probeAt]);
        const { next: afterwards } = limiter.state;
        expect(afterwards!.gate).toBe('outage');
        expect(afterwards!.opensAt).toBeGreaterThan(probeAt + 1);
      });
    });
  });

  it('is the rate that refusals taught, with the figure', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 0, scheduler });
      let room = 5;
      let filledAt = 0;
      const subscription = range(0, 1000)
        .pipe(
          mergeWithConcurrency(
            () => {
              room = Math.min(5, room + (scheduler.now() - filledAt) / 200);
              filledAt = scheduler.now();
              if (room < 1) {
                throw Object.assign(new Error('refused'), { status: 429 });
              }
              room--;
              return of(1);
            },
            { limiter, retry: { random: () => 0.5 } },
          ),
        )
        .subscribe({ error: rethrow });
      scheduler.schedule(() => {
        const { next, learnedRate } = limiter.state;
        expect(learnedRate).toBeGreaterThan(4);
        expect(learnedRate).toBeLessThan(6);
        expect(next).toMatchObject({ gate: 'learned-rate' });
        expect(next!.opensAt).toBeLessThanOrEqual(30_000 + 1000 / learnedRate!);
        expect(next!.reason).toContain(`${learnedRate!.toFixed(2)} calls a second`);
        subscription.unsubscribe();
      }, 30_000);
      scheduler.flush();
    });
    expect.assertions(5);
  });

  it('is a limit that is spent: how much there is, what is left, and what the next call may take', () => {
    world({ baseInterval: 0, limits: { tokensPerMinute: 1000 } }, ({ limiter, ask, at, startedAt }) => {
      ask({ tokens: 800 });
      ask({ tokens: 500, priority: CallPriority.LOW });
      const { next } = limiter.state;
      expect(next).toMatchObject({ gate: 'budget', priority: 'low', opensAt: 60_000 });
      expect(next!.reason).toContain("'limits.tokensPerMinute' of 1000 in 1 min");
      expect(next!.reason).toContain('200 left');
      expect(next!.reason).toContain('500');
      at(60_001, () => expect(startedAt).toEqual([0, 60_000]));
    });
  });

  it('is the limit that opens last, of several', () => {
    const limits = { requestsPerMinute: 1, requestsPerDay: 2, tokensPerMinute: 1000 };
    world({ baseInterval: 0, limits }, ({ limiter, ask, at }) => {
      ask();
      ask();
      expect(limiter.state.next).toMatchObject({ gate: 'budget', opensAt: 60_000 });
      expect(limiter.state.next!.reason).toContain("'limits.requestsPerMinute' of 1");
      at(60_500, () => {
        ask();
        expect(limiter.state.next!.gate).toBe('budget');
        expect(limiter.state.next!.reason).toContain("'limits.requestsPerDay' of 2");
        expect(limiter.state.next!.opensAt).toBe(86_400_000);
      });
    });
  });

  it('is the last gate of all that are closed', () => {
    world({ baseInterval: 5000, limits: { requestsPerMinute: 60 } }, ({ limiter, ask }) => {
      ask();
      ask(CallPriority.CRITICAL);
      // The budget has room, and the pace opens after 1500 ms.
      expect(limiter.state.next).toMatchObject({ gate: 'pace', opensAt: 1500 });
      limiter.observe(failed(429, { 'retry-after': '60' }));
      expect(limiter.state.next).toMatchObject({ gate: 'hold', opensAt: 60_000 });
      limiter.pause();
      expect(limiter.state.next).toMatchObject({ gate: 'pause' });
    });
  });

  it('says what others spend of a limit', () => {
    const budget = {
      name: 'requests',
      dimension: 'requests' as const,
      limit: 600,
      source: 'stated' as const,
      window: 60_000,
      remaining: -2.5,
      inFlight: 0,
      fullAt: 0,
      foreignPerMinute: 239.7,
    };
    const figures = {
      rank: 1 as const,
      wait: 350,
      interval: 100,
      learnedRate: 0,
      maxRunning: Infinity,
      cost: 1,
    };
    const reason = reasonOf('budget', { ...figures, budget });
    expect(reason).toContain("'requests' of 600 in 1 min has -3 left");
    expect(reason).toContain('240 a minute');
    const alone = reasonOf('budget', { ...figures, budget: { ...budget, foreignPerMinute: 0 } });
    expect(alone).not.toContain('others');
  });

  it('changes nothing by being looked at', () => {
    const startsOf = (isLookedAt: boolean) => {
      const starts: number[] = [];
      inVirtualTime((scheduler) => {
        const limiter = new AdaptiveRateLimiter({
          baseInterval: 70,
          limits: { requestsPerMinute: 500, tokensPerMinute: 3000 },
          scheduler,
        });
        range(0, 60)
          .pipe(
            mergeWithConcurrency(
              () => {
                starts.push(scheduler.now());
                return of(1);
              },
              { limiter, traits: () => ({ tokens: 60 }) },
            ),
          )
          .subscribe({ error: rethrow });
        for (let time = 0; isLookedAt && time < 10_000; time += 7) {
          scheduler.schedule(() => expect(limiter.state.budgets).toHaveLength(2), time);
        }
        scheduler.flush();
      });
      return starts;
    };
    const starts = startsOf(true);
    expect(starts).toHaveLength(60);
    startsOf(false).forEach((start, index) => expect(starts[index]).toBeCloseTo(start, 3));
  });
});
