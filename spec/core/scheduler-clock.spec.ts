import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { clockFrom } from '../../lib/core/scheduler-clock';
import { inVirtualTime, WatchedTestScheduler } from '../test-scheduler';

describe('clockFrom', () => {
  it('goes on from where it stood when the wall clock is set back', () => {
    const scheduler = new WatchedTestScheduler();
    let wall = 1000;
    scheduler.now = () => wall;
    const clock = clockFrom(scheduler);
    const readings = [1000, 1500, 200, 300, 250, 400].map((time) => {
      wall = time;
      return clock.now();
    });
    expect(readings).toEqual([1000, 1500, 1500, 1600, 1600, 1750]);
  });

  it('runs a task once after its delay, and not when it was cancelled', () => {
    inVirtualTime((scheduler) => {
      const clock = clockFrom(scheduler);
      const ranAt: number[] = [];
      clock.schedule(5, () => ranAt.push(clock.now()));
      const cancel = clock.schedule(3, () => ranAt.push(clock.now()));
      cancel();
      cancel();
      scheduler.flush();
      expect(ranAt).toEqual([5]);
    });
  });

  it('keeps delays that are longer than timers take', () => {
    inVirtualTime((scheduler) => {
      const clock = clockFrom(scheduler);
      const month = 30 * 86_400_000;
      const ranAt: number[] = [];
      clock.schedule(month, () => ranAt.push(clock.now()));
      scheduler.flush();
      expect(ranAt).toEqual([month]);
    });
  });

  it('schedules no background work on a scheduler of the user', () => {
    inVirtualTime((scheduler) => {
      const task = jest.fn();
      clockFrom(scheduler).schedule(5, task, { background: true });
      scheduler.flush();
      expect(task).not.toHaveBeenCalled();
    });
  });

  it('lives in the virtual time of TestScheduler.run without being given the scheduler', () => {
    inVirtualTime((scheduler) => {
      const clock = clockFrom();
      const ranAt: number[] = [];
      clock.schedule(7, () => ranAt.push(clock.now()));
      scheduler.flush();
      expect(ranAt).toEqual([7]);
    });
  });

  describe('without a scheduler', () => {
    const realNow = Date.now;
    /** Sets the machine's clock forward, as by the platform itself: a bound function looks like one of the platform's. */
    const setForward = (milliseconds: number) => {
      Date.now = (() => realNow() + milliseconds).bind(undefined);
    };

    afterEach(() => {
      Date.now = realNow;
    });

    it('measures waits by a clock that nobody sets, and tells dates by the one of the machine', () => {
      const clock = clockFrom();
      const [now, date] = [clock.now(), clock.date()];
      expect(Math.abs(date - realNow())).toBeLessThan(1000);
      expect(Math.abs(now - date)).toBeLessThan(60_000);
      setForward(3_600_000);
      expect(clock.now() - now).toBeLessThan(60_000);
      expect(clock.date() - date).toBeGreaterThanOrEqual(3_600_000);
      const later = clockFrom();
      expect(later.now() - now).toBeLessThan(60_000);
      setForward(-3_600_000);
      expect(clock.now()).toBeGreaterThanOrEqual(now);
      expect(clock.date() - date).toBeGreaterThanOrEqual(3_600_000);
    });

    it('keeps requests, latencies and deadlines when the clock is set while calls run', async () => {
      const optimizer = new LLMCallOptimizer({
        baseInterval: 0,
        maxConcurrent: 1,
        maxWait: 60_000,
        timeout: 60_000,
      });
      const batch = optimizer.callBatch(
        async (request: number) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          if (request === 1) {
            setForward(3_600_000);
          }
          return request;
        },
        [1, 2, 3],
      );
      const outcomes = await batch;
      expect(outcomes.map(({ ok, latency, waited }) => [ok, latency < 60_000, waited < 60_000])).toEqual(
        Array(3).fill([true, true, true]),
      );
      optimizer.close();
    });

    it('has answers expire by the date, which other processes know', async () => {
      const optimizer = new LLMCallOptimizer({ cacheTtl: 60_000 });
      const ask = jest.fn(async (request: string) => Promise.resolve(request));
      await optimizer.call(ask, 'a');
      setForward(59_000);
      await optimizer.call(ask, 'a');
      expect(ask).toHaveBeenCalledTimes(1);
      setForward(61_000);
      expect(await optimizer.explain(ask, 'a')).toMatchObject({ reason: 'expired' });
      await optimizer.call(ask, 'a');
      expect(ask).toHaveBeenCalledTimes(2);
      optimizer.close();
    });

    it('goes by Date where that is a fake, whether or not performance is one', () => {
      for (const doNotFake of [[], ['performance' as const]]) {
        jest.useFakeTimers({ doNotFake });
        const clock = clockFrom();
        const [now, date] = [clock.now(), clock.date()];
        const ranAfter: number[] = [];
        clock.schedule(1000, () => ranAfter.push(clock.now() - now));
        jest.advanceTimersByTime(5000);
        expect(ranAfter).toEqual([1000]);
        expect([clock.now() - now, clock.date() - date]).toEqual([5000, 5000]);
        jest.useRealTimers();
      }
    });

    it('goes by Date where there is no other clock', () => {
      const platform = Object.getOwnPropertyDescriptor(globalThis, 'performance')!;
      Object.defineProperty(globalThis, 'performance', {
        value: undefined,
        configurable: true,
        writable: true,
      });
      const clock = clockFrom();
      expect(Math.abs(clock.now() - realNow())).toBeLessThan(60_000);
      Object.defineProperty(globalThis, 'performance', platform);
    });
  });
});
