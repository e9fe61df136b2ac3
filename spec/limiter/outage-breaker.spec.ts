import { OutageBreaker } from '../../lib/limiter/outage-breaker';

/** Milliseconds after which a probe that has not ended is given up. */
const mostPatience = 60_000;

let lastId = 0;

/** Fails that many calls of different requests at one time; they are no probes. */
function fail(breaker: OutageBreaker, count: number, now = 0): boolean[] {
  return Array.from({ length: count }, () => breaker.failed(--lastId, now));
}

function succeed(breaker: OutageBreaker, count: number): void {
  for (let index = 0; index < count; index++) {
    breaker.succeeded(-1 - index);
  }
}

function opened(now = 0): OutageBreaker {
  const breaker = new OutageBreaker();
  fail(breaker, 16, now);
  expect(breaker.isOpen).toBe(true);
  return breaker;
}

/** Starts calls at one time as long as they are let through; tells how many. */
function startsAt(breaker: OutageBreaker, now: number, firstId: number): number {
  let id = firstId;
  while (breaker.opensAt(now) <= now && id - firstId < 50) {
    breaker.started(id++, now);
  }
  return id - firstId;
}

describe('OutageBreaker', () => {
  describe('while all is well', () => {
    it('holds nobody', () => {
      const breaker = new OutageBreaker();
      expect(breaker.isOpen).toBe(false);
      expect(breaker.opensAt(0)).toBeLessThanOrEqual(0);
      expect(startsAt(breaker, 0, 1)).toBe(50);
    });

    it('bears with less than four in five of twenty', () => {
      const breaker = new OutageBreaker();
      for (let round = 0; round < 20; round++) {
        fail(breaker, 15);
        succeed(breaker, 5);
      }
      expect(breaker.isOpen).toBe(false);
    });

    it('opens at four in five of twenty, and says so once', () => {
      const breaker = new OutageBreaker();
      succeed(breaker, 4);
      const said = fail(breaker, 20);
      expect(said.indexOf(true)).toBe(15);
      expect(said.filter(Boolean)).toHaveLength(1);
      expect(breaker.isOpen).toBe(true);
    });

    it('opens when the first sixteen calls of all fail', () => {
      const breaker = new OutageBreaker();
      fail(breaker, 15);
      expect(breaker.isOpen).toBe(false);
      fail(breaker, 1);
      expect(breaker.isOpen).toBe(true);
    });

    it('counts a request once that fails at every attempt', () => {
      const breaker = new OutageBreaker();
      fail(breaker, 15);
      for (let attempt = 0; attempt < 10; attempt++) {
        expect(breaker.failed(lastId, 0)).toBe(false);
      }
      expect(breaker.isOpen).toBe(false);
      breaker.succeeded(lastId);
      expect(breaker.failed(lastId, 0)).toBe(true);
    });

    it('forgets what is longer ago than twenty calls', () => {
      const breaker = new OutageBreaker();
      fail(breaker, 15);
      succeed(breaker, 20);
      fail(breaker, 15);
      expect(breaker.isOpen).toBe(false);
    });
  });

  describe('in an outage', () => {
    it('lets nothing start for a moment, and then one call', () => {
      const breaker = opened(1000);
      const probeAt = breaker.opensAt(1000);
      expect(probeAt).toBeGreaterThan(1000);
      expect(probeAt).toBeLessThanOrEqual(11_000);
      expect(startsAt(breaker, probeAt - 1, 1)).toBe(0);
      expect(startsAt(breaker, probeAt, 1)).toBe(1);
      expect(breaker.opensAt(probeAt)).toBeGreaterThan(probeAt);
    });

    it('lets two start when the first probe was answered, then four, and then everybody', () => {
      const breaker = opened();
      const now = breaker.opensAt(0);
      let id = 1;
      for (const round of [1, 2, 4]) {
        expect(breaker.isOpen).toBe(true);
        expect(startsAt(breaker, now, id)).toBe(round);
        for (let count = 0; count < round; count++) {
          breaker.succeeded(id++);
        }
      }
      expect(breaker.isOpen).toBe(false);
      expect(startsAt(breaker, now, id)).toBe(50);
    });

    it('does not let more start because some of a round were answered', () => {
      const breaker = opened();
      const now = breaker.opensAt(0);
      startsAt(breaker, now, 1);
      breaker.succeeded(1);
      expect(startsAt(breaker, now, 2)).toBe(2);
      breaker.succeeded(2);
      expect(startsAt(breaker, now, 4)).toBe(0);
      breaker.succeeded(3);
      expect(startsAt(breaker, now, 4)).toBe(4);
    });

    it('tells probes from calls that began before it was noticed, also when they are silent for long', () => {
      const breaker = opened(1000);
      expect(breaker.hasProbed(1000)).toBe(false);
      const now = breaker.opensAt(1000);
      startsAt(breaker, now, 1);
      breaker.started(2, breaker.opensAt(now));
      expect(breaker.hasProbed(now)).toBe(true);
      expect(new OutageBreaker().hasProbed(now)).toBe(false);
    });

    it('waits again when a probe fails: longer at first, and never for long', () => {
      const breaker = opened();
      let now = 0;
      let last = 0;
      for (let id = 1; id <= 12; id++) {
        const pause = breaker.opensAt(now) - now;
        expect(pause).toBeGreaterThanOrEqual(last);
        expect(pause).toBeLessThanOrEqual(30_000);
        last = pause;
        now += pause;
        expect(startsAt(breaker, now, id)).toBe(1);
        expect(breaker.failed(id, now)).toBe(false);
      }
      expect(last).toBeGreaterThan(opened().opensAt(0));
    });

    it('bears with half of a round, and begins again with one probe when more of it fails', () => {
      const breaker = opened();
      let now = breaker.opensAt(0);
      startsAt(breaker, now, 1);
      breaker.succeeded(1);
      expect(startsAt(breaker, now, 2)).toBe(2);
      breaker.succeeded(2);
      breaker.failed(3, now);
      expect(startsAt(breaker, now, 4)).toBe(4);
      for (const id of [4, 5, 6]) {
        breaker.failed(id, now);
      }
      expect(breaker.opensAt(now)).toBeGreaterThan(now);
      now = breaker.opensAt(now);
      expect(startsAt(breaker, now, 8)).toBe(1);
    });

    it('lets another start when a probe does not end, and does not count the first any more', () => {
      const breaker = opened();
      const now = breaker.opensAt(0);
      startsAt(breaker, now, 1);
      const again = breaker.opensAt(now);
      expect(again).toBeGreaterThan(now + 1000);
      expect(again).toBeLessThanOrEqual(now + mostPatience);
      expect(startsAt(breaker, again, 2)).toBe(1);
      breaker.succeeded(1);
      expect(startsAt(breaker, again, 3)).toBe(0);
      breaker.succeeded(2);
      expect(startsAt(breaker, again, 3)).toBe(2);
    });

    it('lets another start at once when a probe was aborted', () => {
      const breaker = opened();
      const now = breaker.opensAt(0);
      startsAt(breaker, now, 1);
      breaker.forget(1);
      expect(startsAt(breaker, now, 2)).toBe(1);
      breaker.succeeded(2);
      expect(startsAt(breaker, now, 3)).toBe(2);
    });

    it('hears nothing in the late results of calls that began before it', () => {
      const breaker = opened();
      const probeAt = breaker.opensAt(0);
      succeed(breaker, 30);
      expect(breaker.isOpen).toBe(true);
      expect(fail(breaker, 30, 10)).not.toContain(true);
      breaker.forget(-1);
      expect(breaker.opensAt(10)).toBe(probeAt);
      expect(startsAt(breaker, probeAt, 1)).toBe(1);
      fail(breaker, 30, probeAt);
      breaker.succeeded(1);
      expect(startsAt(breaker, probeAt, 2)).toBe(2);
    });
  });

  describe('after an outage', () => {
    function closed(): OutageBreaker {
      const breaker = opened();
      let now = breaker.opensAt(0);
      startsAt(breaker, now, 1);
      // A second round of waiting, so that the pauses have grown.
      breaker.failed(1, now);
      now = breaker.opensAt(now);
      let id = 2;
      for (let round = 0; round < 3; round++) {
        const started = startsAt(breaker, now, id);
        for (let count = 0; count < started; count++) {
          breaker.succeeded(id++);
        }
      }
      expect(breaker.isOpen).toBe(false);
      return breaker;
    }

    it('counts from nothing again', () => {
      const breaker = closed();
      fail(breaker, 15);
      expect(breaker.isOpen).toBe(false);
      expect(fail(breaker, 1)).toEqual([true]);
    });

    it('waits no longer in the next outage than in the first', () => {
      const breaker = closed();
      fail(breaker, 16, 500_000);
      expect(breaker.opensAt(500_000) - 500_000).toBe(opened().opensAt(0));
    });
  });
});
