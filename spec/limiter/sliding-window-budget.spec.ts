import * as fc from 'fast-check';
import { SlidingWindowBudget } from '../../lib/limiter/sliding-window-budget';

const minute = 60_000;
const day = 1440 * minute;

function budgetOf(limit = 100, window = minute): SlidingWindowBudget {
  return new SlidingWindowBudget({ name: 'limits.tokensPerMinute', dimension: 'tokens', limit, window });
}

describe('SlidingWindowBudget', () => {
  it('lets all of a limit start at once, and then nothing for its window', () => {
    const budget = budgetOf();
    budget.take(60, 0, 1);
    expect(budget.opensAt(40, 0)).toBe(0);
    budget.take(40, 0, 2);
    expect(budget.opensAt(1, 0)).toBe(minute);
    expect(budget.opensAt(1, minute - 1)).toBe(minute);
    expect(budget.opensAt(100, minute)).toBe(minute);
  });

  it('has room again when enough has left the window', () => {
    const budget = budgetOf();
    budget.take(30, 0, 1);
    budget.take(30, 10_000, 2);
    budget.take(30, 20_000, 3);
    expect(budget.remaining(20_000)).toBe(10);
    expect(budget.opensAt(10, 20_000)).toBe(20_000);
    expect(budget.opensAt(11, 20_000)).toBe(minute);
    expect(budget.opensAt(41, 20_000)).toBe(10_000 + minute);
    expect(budget.remaining(minute)).toBe(40);
  });

  it('takes a cost above the limit for the limit', () => {
    const budget = budgetOf();
    expect(budget.opensAt(1e12, 0)).toBe(0);
    budget.take(1, 5000, 1);
    expect(budget.opensAt(1e12, 5000)).toBe(5000 + minute);
  });

  it('is settled in the window of the start, and not after that', () => {
    const budget = budgetOf();
    budget.take(50, 0, 1);
    budget.take(50, 1000, 2);
    budget.settle(50, 10, 0, 1);
    expect(budget.remaining(1000)).toBe(40);
    budget.settle(50, 80, 1000, 2);
    expect(budget.remaining(1000)).toBe(10);
    expect(budget.remaining(minute)).toBe(20);
    budget.settle(10, 1000, 0, 1);
    expect(budget.remaining(minute)).toBe(20);
    expect(budget.remaining(minute + 1000)).toBe(100);
    budget.settle(80, 0, 1000, 2);
    expect(budget.remaining(minute + 1000)).toBe(100);
  });

  it('makes up for what was used beyond what was reserved, within the window', () => {
    const budget = budgetOf();
    budget.take(10, 0, 1);
    budget.settle(10, 100, 0, 1);
    budget.take(10, 1000, 2);
    budget.settle(10, 90, 1000, 2);
    expect(budget.remaining(1000)).toBe(-90);
    expect(budget.opensAt(1, 1000)).toBe(minute);
    expect(budget.opensAt(11, 1000)).toBe(1000 + minute);
  });

  it('knows whether what was paid before still counts', () => {
    const budget = budgetOf();
    budget.take(60, 0, 1);
    budget.take(60, minute + 1, 2);
    expect(budget.paidOpensAt(60, 1, minute + 1)).toBe(2 * minute + 1);
    expect(budget.paidOpensAt(60, 2, minute + 1)).toBe(minute + 1);
  });

  it('opens in whole milliseconds, as timers know no others', () => {
    const budget = budgetOf();
    budget.take(100, 0.25, 1);
    expect(budget.opensAt(1, 1)).toBe(minute + 1);
  });

  it('does not lose count where the clock is set back', () => {
    const budget = budgetOf();
    budget.take(60, 1000, 1);
    budget.take(40, 0, 2);
    expect(budget.opensAt(1, 0)).toBe(1000 + minute);
    expect(budget.remaining(1000 + minute)).toBe(100);
  });

  const starts = fc.array(fc.record({ wait: fc.nat(30_000), cost: fc.nat(120), used: fc.nat(120) }), {
    maxLength: 200,
  });

  it('never holds more than its limit, and opens as soon as that allows', () => {
    fc.assert(
      fc.property(starts, (given) => {
        const budget = budgetOf();
        const taken: { at: number; cost: number }[] = [];
        const spentBy = (now: number) =>
          taken.reduce((sum, { at, cost }) => (at + minute > now ? sum + cost : sum), 0);
        let now = 0;
        given.forEach(({ wait, cost: asked, used }, index) => {
          now += wait;
          const cost = Math.min(asked, 100);
          const opensAt = budget.opensAt(cost, now);
          if (opensAt > now) {
            expect(spentBy(opensAt - 1) + cost).toBeGreaterThan(100);
          }
          now = opensAt;
          expect(spentBy(now) + cost).toBeLessThanOrEqual(100);
          budget.take(cost, now, index + 1);
          const settled = Math.min(used, cost);
          budget.settle(cost, settled, now, index + 1);
          taken.push({ at: now, cost: settled });
          expect(budget.remaining(now)).toBe(100 - spentBy(now));
        });
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['a million a day', 1_000_000, day, 500],
    ['a million a day, in bursts', 1_000_000, day, 40_000],
    ['ten thousand a minute', 10_000, minute, 1],
  ])('is never passed with %s, and wastes next to nothing', (_name, limit, window, burst) => {
    const budget = budgetOf(limit, window);
    const taken: { at: number; cost: number }[] = [];
    let now = 0;
    for (let number = 1; now < 3 * window; number++) {
      now = Math.max(now + Math.round((0.8 * window * burst) / limit), budget.opensAt(burst, now));
      budget.take(burst, now, number);
      taken.push({ at: now, cost: burst });
    }
    let most = 0;
    let spent = 0;
    let first = 0;
    for (const { at, cost } of taken) {
      spent += cost;
      for (; taken[first]!.at <= at - window; first++) {
        spent -= taken[first]!.cost;
      }
      most = Math.max(most, spent);
    }
    expect(most).toBeLessThanOrEqual(limit);
    const total = taken.reduce((sum, { cost }) => sum + cost, 0);
    expect(total).toBeGreaterThan(2.99 * limit);
  });
});
