import { SpendingLog } from '../../lib/limiter/spending-log';
import { rememberedStarts, StartLog } from '../../lib/limiter/start-log';

const edges = [1, 2, 4095, 4096, 4097, 5000, 8192, 8193, 12_289];

describe('StartLog', () => {
  it('numbers starts, and remembers when the latest ones were', () => {
    const log = new StartLog();
    for (let number = 1; number <= 10_000; number++) {
      expect(log.add(10 * number)).toBe(number);
      expect([log.timeOf(number), log.timeOf(Math.max(1, number - rememberedStarts + 1))]).toEqual([
        10 * number,
        10 * Math.max(1, number - rememberedStarts + 1),
      ]);
    }
    expect(log.count).toBe(10_000);
  });

  it.each(edges)('tells the rate before a start after %i of them', (count) => {
    const log = new StartLog();
    for (let number = 1; number <= count; number++) {
      log.add(10 * number);
    }
    // One every ten milliseconds is 100 a second; of one, or of those after too few, nothing is known.
    const rate = log.rateBefore(count, 10 * count, 1000);
    expect(rate).toBe(count < 3 ? 0 : Math.min(count - 1, 99));
  });

  it('takes the rate of the latest ones for that before one that is forgotten', () => {
    const log = new StartLog();
    for (let number = 1; number <= 3 * rememberedStarts; number++) {
      log.add(number <= rememberedStarts ? number : 20 * number);
    }
    expect(log.rateBefore(10, 10, 1000)).toBe(50);
  });
});

describe('SpendingLog', () => {
  it.each(edges)('tells what was spent since a start, after %i of them', (count) => {
    const starts = new StartLog();
    const log = new SpendingLog(starts);
    const costOf = (number: number) => (number % 3 === 0 ? number : 0);
    for (let number = 1; number <= count; number++) {
      const cost = costOf(number);
      expect(log.add(10 * number, { total: cost, input: cost, output: 0 })).toBe(number);
    }
    for (const since of [0, 1, count - 5000, count - rememberedStarts, count - 10, count]) {
      if (since >= 0) {
        const first = Math.max(since, count - rememberedStarts) + 1;
        const numbers = Array.from({ length: count - first + 1 }, (_, index) => first + index);
        const spendings = numbers.map((number) => ({ at: 10 * number, cost: costOf(number) }));
        expect(log.since(since, 'input-tokens')).toEqual(spendings);
        expect(log.since(since, 'requests')).toEqual(spendings.map(({ at }) => ({ at, cost: 1 })));
      }
    }
  });
});
