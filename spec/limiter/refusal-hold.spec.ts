import { RefusalHold } from '../../lib/limiter/refusal-hold';

const minute = 60_000;
const day = 86_400_000;

/** Milliseconds from a refusal until the hold ends. */
function heldAfter(hold: RefusalHold, now: number, admitted: number, period?: 'minute' | 'day'): number {
  hold.refused(now, 100, undefined, admitted, period);
  return hold.until - now;
}

/** Refuses each probe until then; tells when the first that came after it began, and how many were refused. */
function wall(
  hold: RefusalHold,
  from: number,
  until: number,
  admitted: number,
): { readonly reopened: number; readonly refusals: number } {
  hold.refused(from, 100, undefined, admitted);
  for (let refusals = 1; refusals < 1000; refusals++) {
    const probe = hold.until;
    hold.started(probe);
    if (probe >= until) {
      hold.admitted(probe);
      return { reopened: probe, refusals };
    }
    hold.refused(probe + 100, 100, undefined, 0);
  }
  throw new Error('It never let anybody through again.');
}

describe('RefusalHold', () => {
  it('holds nobody at first', () => {
    expect(new RefusalHold().until).toBe(-Infinity);
    expect(new RefusalHold().countsByWindows).toBe(false);
  });

  describe('with a hint', () => {
    it.each([1, 640, 20_000, 3_600_000])('holds exactly as long as the provider asks: %i ms', (hint) => {
      const hold = new RefusalHold();
      hold.refused(1000, 100, hint, 5);
      expect(hold.until).toBe(1000 + hint);
      // Whoever starts then is no probe: the provider said that there will be room.
      hold.started(1000 + hint);
      expect(hold.until).toBe(1000 + hint);
    });

    it('never holds for longer than a day', () => {
      const hold = new RefusalHold();
      hold.refused(0, 100, 400 * day, 5);
      expect(hold.until).toBe(day);
    });

    it('is held by the longest of several, whatever their order', () => {
      for (const hints of [
        [500, 3000, 1000],
        [3000, 1000, 500],
      ]) {
        const hold = new RefusalHold();
        hold.refused(0, 100, hints[0], 5);
        hold.extend(100, hints[1]!);
        hold.extend(200, hints[2]!);
        expect(hold.until).toBe(Math.max(hints[0]!, 100 + hints[1]!, 200 + hints[2]!));
      }
    });

    it('asks no less because a refusal without one came after it', () => {
      const hold = new RefusalHold();
      hold.refused(0, 100, 30_000, 5);
      hold.refused(200, 100, undefined, 0);
      expect(hold.until).toBe(30_000);
    });
  });

  describe('without a hint', () => {
    it('holds for a moment, longer and longer while nothing is admitted, and never for more than a minute', () => {
      const hold = new RefusalHold();
      let now = 0;
      let last = 0;
      let total = 0;
      for (let refusals = 0; refusals < 30; refusals++) {
        const held = heldAfter(hold, now, refusals === 0 ? 5 : 0);
        expect(held).toBeGreaterThanOrEqual(last);
        expect(held).toBeLessThanOrEqual(minute);
        if (refusals === 0) {
          expect(held).toBeLessThanOrEqual(2000);
        }
        last = held;
        total += held;
        now = hold.until;
        hold.started(now);
      }
      expect(last).toBeGreaterThan(5000);
      expect(total).toBe(now);
    });

    it('holds for a moment again once calls were admitted', () => {
      const hold = new RefusalHold();
      const first = heldAfter(hold, 0, 5);
      for (let refusals = 0; refusals < 3; refusals++) {
        hold.started(hold.until);
        heldAfter(hold, hold.until + 100, 0);
      }
      const probe = hold.until;
      hold.started(probe);
      hold.admitted(probe);
      expect(heldAfter(hold, probe + 2000, 4)).toBe(first);
    });

    it('lets one call through, and the others when its refusal would have been heard', () => {
      const hold = new RefusalHold();
      hold.refused(0, 200, undefined, 5);
      const probe = hold.until;
      hold.started(probe);
      expect(hold.until).toBeGreaterThan(probe + 200);
      expect(hold.until).toBeLessThanOrEqual(probe + 2000);
      const { until } = hold;
      hold.started(until);
      expect(hold.until).toBe(until);
    });

    it('does not wait for long for a provider that refuses slowly', () => {
      const hold = new RefusalHold();
      hold.refused(0, 60_000, undefined, 5);
      const probe = hold.until;
      hold.started(probe);
      expect(hold.until - probe).toBeLessThan(5000);
    });

    it('looks now and then whether the quota of a day is there again', () => {
      const hold = new RefusalHold();
      const held = heldAfter(hold, 0, 5, 'day');
      expect(held).toBeGreaterThanOrEqual(minute);
      expect(held).toBeLessThanOrEqual(3_600_000);
      hold.started(hold.until);
      const again = heldAfter(hold, hold.until, 0, 'day');
      expect(again).toBeGreaterThanOrEqual(minute);
      expect(again).toBeLessThanOrEqual(3_600_000);
    });

    it('treats the limit of a minute as any other', () => {
      expect(heldAfter(new RefusalHold(), 0, 5, 'minute')).toBe(heldAfter(new RefusalHold(), 0, 5));
    });
  });

  describe('a limit that counts by windows', () => {
    it('is noticed where a long wall follows many admitted calls, and the end of the next wall is foretold', () => {
      const hold = new RefusalHold();
      const { reopened } = wall(hold, 15_000, minute, 600);
      expect(hold.countsByWindows).toBe(true);
      expect(reopened).toBeLessThan(minute + 10_000);
      hold.refused(reopened + 20_000, 100, undefined, 600);
      expect(hold.countsByWindows).toBe(true);
      const foretold = reopened + minute;
      expect(hold.until).toBeLessThanOrEqual(foretold);
      expect(hold.until).toBeGreaterThan(foretold - 3000);
    });

    it('is met by few refusals: the first wall is felt for, later ones are waited for', () => {
      const hold = new RefusalHold();
      const { refusals: first } = wall(hold, 15_000, minute, 600);
      const { refusals: second } = wall(hold, 80_000, 2 * minute, 600);
      expect(second).toBeLessThan(first);
      expect(second).toBeLessThanOrEqual(3);
    });

    it('is not seen in a slow bucket, which lets one call through after each wall', () => {
      const hold = new RefusalHold();
      let now = 0;
      for (let count = 0; count < 10; count++) {
        now = wall(hold, now, now + 6000, 1).reopened + 100;
        hold.refused(now, 100, undefined, 1);
        expect(hold.countsByWindows).toBe(false);
        expect(hold.until - now).toBeLessThanOrEqual(10_000);
      }
    });

    it('is not seen where walls are short', () => {
      const hold = new RefusalHold();
      let now = 0;
      for (let count = 0; count < 5; count++) {
        now = wall(hold, now, now + 600, 50).reopened + 5000;
        expect(hold.countsByWindows).toBe(false);
      }
    });

    it('is forgotten where few calls come through after a wall', () => {
      const hold = new RefusalHold();
      const { reopened } = wall(hold, 15_000, minute, 600);
      hold.refused(reopened + 1000, 100, undefined, 3);
      expect(hold.countsByWindows).toBe(false);
      expect(hold.until - reopened - 1000).toBeLessThanOrEqual(10_000);
    });

    it('is not seen because a call that began before the wall was answered late', () => {
      const hold = new RefusalHold();
      hold.refused(15_000, 100, undefined, 600);
      hold.started(hold.until);
      for (let count = 0; count < 8; count++) {
        hold.refused(hold.until + 100, 100, undefined, 0);
        hold.started(hold.until);
      }
      hold.admitted(14_900);
      expect(hold.countsByWindows).toBe(false);
      hold.admitted(hold.until);
      expect(hold.countsByWindows).toBe(true);
    });
  });
});
