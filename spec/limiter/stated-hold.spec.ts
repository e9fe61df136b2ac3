import { StatedHold } from '../../lib/limiter/stated-hold';

const clockAt = (time: number) => ({ now: () => time, date: () => time, schedule: () => () => undefined });

describe('StatedHold', () => {
  it('adds up what was asked for, and counts no moment twice', () => {
    const hold = new StatedHold();
    hold.asked(1000, 500, 'a');
    hold.asked(1100, 200, 'shorter');
    hold.asked(1200, 500, 'longer');
    hold.asked(3000, 100, 'later');
    expect([0, 1000, 1600, 1700, 2000, 3050, 3100, Infinity].map((time) => hold.before(time))).toEqual([
      0, 0, 600, 700, 700, 750, 800, 800,
    ]);
  });

  it('knows all of the hold that is not over', () => {
    const hold = new StatedHold();
    expect(hold.before(Infinity)).toBe(0);
    hold.asked(0, 60_000, 'a');
    expect(hold.before(Infinity)).toBe(60_000);
  });

  it('forgets the oldest of very many, as if they had come before all times', () => {
    const hold = new StatedHold();
    for (let time = 0; time < 2_000_000; time += 1000) {
      hold.asked(time, 500, 'a');
    }
    expect(hold.before(Infinity)).toBe(1_000_000);
    expect(hold.before(1_500_000)).toBe(750_000);
    expect(hold.before(0)).toBe(500_000);
  });

  it('calls a hold a closure that is longer than everyday limits take, until it is over', () => {
    const hold = new StatedHold();
    hold.asked(0, 60_000, 'a minute');
    expect(hold.closure(clockAt(1))).toBeUndefined();
    hold.asked(10, 60_001, 'an hour');
    expect(hold.closure(clockAt(60_010))).toEqual({ until: 60_011, cause: 'an hour' });
    expect(hold.closure(clockAt(60_011))).toBeUndefined();
  });
});
