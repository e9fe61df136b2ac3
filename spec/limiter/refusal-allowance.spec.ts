import { RefusalAllowance } from '../../lib/limiter/refusal-allowance';

const minute = 60_000;

describe('RefusalAllowance', () => {
  let allowance: RefusalAllowance;

  beforeEach(() => {
    allowance = new RefusalAllowance();
    allowance.started(0);
  });

  it('is open until sixty are refused', () => {
    count(59, true);
    expect(allowance.opensAt(0)).toBe(-Infinity);
    count(1, true);
    expect(allowance.opensAt(0)).toBe(1000);
  });

  it('allows one try a second where all are refused', () => {
    count(1000, true);
    expect(allowance.opensAt(0)).toBe(1000);
  });

  it('is open at the time that it names', () => {
    count(50, false);
    count(200, true);
    for (const now of [0, 2, 5, 9]) {
      const opensAt = allowance.opensAt(now);
      expect(opensAt).toBeGreaterThan(now);
      expect(allowance.opensAt(opensAt)).toBeLessThanOrEqual(opensAt);
    }
  });

  it('opens again when more are let through', () => {
    count(60, true);
    expect(allowance.opensAt(0)).toBeGreaterThan(0);
    count(1, false);
    expect(allowance.opensAt(0)).toBe(-Infinity);
  });

  it('forgives refusals by and by', () => {
    count(1000, true);
    expect(allowance.opensAt(5000)).toBeGreaterThan(0);
    expect(allowance.opensAt(11_000)).toBe(-Infinity);
  });

  it('stays open where half are refused', () => {
    for (let call = 0; call < 10_000; call++) {
      allowance.count(call % 2 === 0, 0);
      expect(allowance.opensAt(0)).toBe(-Infinity);
    }
  });

  it.each([2, 5, 20])('makes about twice as many tries as the %i a second that are let through', (limit) => {
    const { tries, through } = hammer(limit);
    expect(through / 300).toBeCloseTo(limit, 0);
    // One a second comes on top.
    expect((tries - 300) / through).toBeGreaterThan(1.8);
    expect((tries - 300) / through).toBeLessThan(2.2);
  });

  it('keeps asking once a second where nothing is let through', () => {
    const { tries } = hammer(0);
    expect(tries / 300).toBeCloseTo(1, 1);
  });

  function count(calls: number, isRefused: boolean): void {
    for (let call = 0; call < calls; call++) allowance.count(isRefused, 0);
  }

  /** Tries whenever it may, for ten minutes, and counts in the last five. */
  function hammer(perSecond: number): { tries: number; through: number } {
    let level = 0;
    let tries = 0;
    let through = 0;
    for (let now = 0; now < 10 * minute; now += 5) {
      level = Math.min(Math.max(1, perSecond), level + (5 * perSecond) / 1000);
      if (allowance.opensAt(now) > now) continue;
      allowance.started(now);
      const isRefused = level < 1;
      if (!isRefused) level--;
      allowance.count(isRefused, now);
      if (now < 5 * minute) continue;
      tries++;
      if (!isRefused) through++;
    }
    return { tries, through };
  }
});
