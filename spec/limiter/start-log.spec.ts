import { rememberedStarts, StartLog } from '../../lib/limiter/start-log';

const edges = [1, 2, 4095, 4096, 4097, 5000, 8192, 8193, 12_289];

describe('StartLog', () => {
  it('numbers starts', () => {
    const log = new StartLog();
    for (let number = 1; number <= 10_000; number++) {
      expect(log.add(10 * number)).toBe(number);
    }
    expect(log.count).toBe(10_000);
  });

  it.each(edges)('tells what was spent since a start, after %i of them', (count) => {
    const log = new StartLog();
    const costOf = (number: number) => (number % 3 === 0 ? number : 0);
    for (let number = 1; number <= count; number++) {
      const cost = costOf(number);
      expect(log.add(10 * number, { total: cost, input: cost, output: 0 })).toBe(number);
    }
    for (const since of [0, 1, count - 5000, count - rememberedStarts, count - 10, count]) {
      if (since >= 0) {
        const first = Math.max(since, count - rememberedStarts) + 1;
        const numbers = Array.from({ length: count - first + 1 }, (_, index) => first + index);
        const spendings = numbers.map((number) => ({ number, at: 10 * number, cost: costOf(number) }));
        expect(log.since(since, (cost) => cost!.input)).toEqual(spendings);
      }
    }
  });

  it('is corrected for a start that is remembered, and leaves others alone', () => {
    const log = new StartLog();
    for (let number = 1; number <= rememberedStarts + 1; number++) {
      log.add(number, { total: 1, input: 1, output: 0 });
    }
    log.correct(1, undefined);
    log.correct(2, undefined);
    log.correct(rememberedStarts, { total: 5, input: 5, output: 0 });
    const costs = log.since(1, (cost) => cost?.total ?? 0).map(({ cost }) => cost);
    expect(costs).toHaveLength(rememberedStarts);
    expect([costs[0], costs[1], costs.at(-2), costs.at(-1)]).toEqual([0, 1, 5, 1]);
  });
});
