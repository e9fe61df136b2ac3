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
});
