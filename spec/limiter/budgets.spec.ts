import { Budget } from '../../lib/limiter/budget';
import { Budgets, type Receipt } from '../../lib/limiter/budgets';
import type { Sized } from '../../lib/limiter/token-estimate';
import type { LimitedDimension, StatedLimit } from '../../lib/provider/rate-limit-headers';

const minute = 60_000;
const day = 86_400_000;

const announcing = (tokens: number | undefined): Sized => ({ tokens, textLength: 0 });

function known(
  dimension: LimitedDimension,
  limit: number,
  more: { name?: string; window?: number; depth?: number } = {},
): Budget {
  const { name = dimension, window = minute, depth = limit } = more;
  return new Budget({ name, dimension, limit, window }, depth, 0);
}

function budgetsOf(...all: Budget[]): Budgets {
  const budgets = new Budgets();
  for (const budget of all) {
    budgets.add(budget);
  }
  return budgets;
}

function stated(dimension: LimitedDimension, limit: number, remaining: number, reset?: number): StatedLimit {
  return { name: dimension, dimension, limit, remaining, reset, window: minute };
}

function remainingOf(budgets: Budgets, name: string, now: number): number {
  return budgets.find(name)!.remaining(now);
}

describe('Budgets', () => {
  it('hold nobody where no limit is known', () => {
    const budgets = new Budgets();
    expect(budgets.opensAt(announcing(1000), 5)).toBeLessThanOrEqual(5);
    expect(budgets.binding).toBeUndefined();
    expect(budgets.spacing).toBe(0);
  });

  it('open when the last of several limits does, and tell which that is', () => {
    const budgets = budgetsOf(known('requests', 60, { depth: 2 }), known('tokens', 60_000));
    budgets.take(announcing(1000), 0);
    budgets.take(announcing(1000), 0);
    expect(budgets.opensAt(announcing(1000), 0)).toBe(1000);
    expect(budgets.binding!.name).toBe('requests');
    budgets.take(announcing(58_000), 1000);
    expect(budgets.opensAt(announcing(9000), 1000)).toBe(9000);
    expect(budgets.binding!.name).toBe('tokens');
  });

  it('keep several limits of one dimension apart by their names', () => {
    const budgets = budgetsOf(
      known('requests', 600),
      known('requests', 3, { name: 'requests-day', window: day }),
    );
    for (let number = 1; number <= 3; number++) {
      budgets.take(announcing(undefined), 0);
    }
    expect(remainingOf(budgets, 'requests', 0)).toBe(597);
    expect(remainingOf(budgets, 'requests-day', 0)).toBe(0);
    expect(budgets.opensAt(announcing(undefined), 0)).toBeGreaterThanOrEqual(day / 3);
    expect(budgets.opensAt(announcing(undefined), 0)).toBeLessThanOrEqual(day / 3 + 1);
  });

  describe('costs', () => {
    it('are one request, and the tokens that are announced', () => {
      const budgets = budgetsOf(known('requests', 100), known('tokens', 10_000));
      budgets.take(announcing(700), 0);
      expect(remainingOf(budgets, 'requests', 0)).toBe(99);
      expect(remainingOf(budgets, 'tokens', 0)).toBe(9300);
    });

    it('are split between prompt and answer as usage was so far', () => {
      const budgets = budgetsOf(
        known('tokens', 10_000),
        known('input-tokens', 10_000),
        known('output-tokens', 10_000),
      );
      budgets.used({ inputTokens: 750, outputTokens: 250 }, undefined, 0);
      budgets.take(announcing(2000), 0);
      expect(remainingOf(budgets, 'tokens', 0)).toBeCloseTo(8000);
      expect(remainingOf(budgets, 'input-tokens', 0)).toBeCloseTo(8500);
      expect(remainingOf(budgets, 'output-tokens', 0)).toBeCloseTo(9500);
    });

    it('are the mean of what was used where nothing is announced', () => {
      const budgets = budgetsOf(known('tokens', 100_000));
      for (const inputTokens of [400, 600, 400, 600]) {
        budgets.used({ inputTokens }, undefined, 0);
      }
      budgets.take(announcing(undefined), 0);
      expect(100_000 - remainingOf(budgets, 'tokens', 0)).toBeGreaterThanOrEqual(400);
      expect(100_000 - remainingOf(budgets, 'tokens', 0)).toBeLessThanOrEqual(600);
    });

    it('are nothing where nothing is announced or was heard yet', () => {
      const budgets = budgetsOf(known('tokens', 1000));
      budgets.take(announcing(undefined), 0);
      expect(remainingOf(budgets, 'tokens', 0)).toBe(1000);
    });

    it('are waited for with care where a call of unknown cost may be dear, but never for most of a bucket', () => {
      const budgets = budgetsOf(known('tokens', 10_000));
      const tokens = budgets.find('tokens')!;
      budgets.used({ inputTokens: 9000 }, undefined, 0);
      for (let index = 0; index < 60; index++) {
        budgets.used({ inputTokens: 10 }, undefined, 0);
      }
      const mean = 10_000 - (budgets.take(announcing(undefined), 0), remainingOf(budgets, 'tokens', 0));
      expect(budgets.costIn(tokens, announcing(undefined))).toBeGreaterThan(mean);
      expect(budgets.costIn(tokens, announcing(undefined))).toBeLessThan(5000);
      // What is announced is believed.
      expect(budgets.costIn(tokens, announcing(20))).toBe(20);
    });
  });

  describe('usage', () => {
    let budgets: Budgets;
    let receipt: Receipt;

    beforeEach(() => {
      budgets = budgetsOf(known('requests', 100), known('tokens', 10_000));
      receipt = budgets.take(announcing(1000), 0);
    });

    it('settles what was reserved', () => {
      budgets.used({ inputTokens: 200, outputTokens: 100 }, receipt, 0);
      expect(remainingOf(budgets, 'tokens', 0)).toBe(9700);
      expect(remainingOf(budgets, 'requests', 0)).toBe(99);
    });

    it.each([
      ['in parts', [{ inputTokens: 200 }, { outputTokens: 100 }]],
      ['as a running total', [10, 40, 100].map((outputTokens) => ({ inputTokens: 200, outputTokens }))],
      ['twice', [1, 2].map(() => ({ inputTokens: 200, outputTokens: 100 }))],
    ])('is, field by field, the largest that was reported: %s', (_name, reports) => {
      for (const usage of reports) {
        budgets.used(usage, receipt, 0);
      }
      expect(remainingOf(budgets, 'tokens', 0)).toBe(9700);
    });

    it('teaches what calls cost once for each call, when that has ended', () => {
      budgets.used({ inputTokens: 200 }, receipt, 0);
      budgets.used({ outputTokens: 100 }, receipt, 0);
      const tokens = budgets.find('tokens')!;
      expect(budgets.costIn(tokens, announcing(undefined))).toBe(0);
      budgets.ended(receipt);
      expect(budgets.costIn(tokens, announcing(undefined))).toBe(300);
      budgets.ended(budgets.take(announcing(5), 0));
      expect(budgets.costIn(tokens, announcing(undefined))).toBe(300);
    });

    it('counts what came from the prompt cache in a limit on all tokens, not in one on those of prompts', () => {
      const both = budgetsOf(known('tokens', 10_000), known('input-tokens', 10_000));
      both.used({ inputTokens: 2000, cachedInputTokens: 1900 }, both.take(announcing(10), 0), 0);
      expect(remainingOf(both, 'tokens', 0)).toBe(8000);
      expect(remainingOf(both, 'input-tokens', 0)).toBe(9900);
    });

    it.each([
      {},
      { inputTokens: NaN },
      { inputTokens: 5, outputTokens: NaN },
      { inputTokens: -20 },
      { inputTokens: Infinity },
      { inputTokens: -Infinity, outputTokens: Infinity },
    ])('that is no amount settles nothing: %j', (usage) => {
      budgets.used(usage, receipt, 0);
      expect(remainingOf(budgets, 'tokens', 0)).toBe(9000);
      budgets.used({ inputTokens: 300 }, receipt, 0);
      expect(remainingOf(budgets, 'tokens', 0)).toBe(9700);
    });

    it('of a call that is not known only teaches what calls cost', () => {
      budgets.used({ inputTokens: 300 }, undefined, 0);
      expect(remainingOf(budgets, 'tokens', 0)).toBe(9000);
      expect(budgets.costIn(budgets.find('tokens')!, announcing(undefined))).toBe(300);
    });
  });

  describe('statements', () => {
    it('open a budget for a limit that was not known, and say that it is news', () => {
      const budgets = new Budgets();
      expect(budgets.stated([stated('requests', 600, 590)], 0, undefined, 0)).toBe(true);
      expect(budgets.stated([stated('requests', 600, 580)], 1, undefined, 1)).toBe(false);
      expect(budgets.stated([stated('requests', 60, 50)], 2, undefined, 2)).toBe(true);
      expect(budgets.states(2)).toMatchObject([{ name: 'requests', limit: 60, window: minute }]);
    });

    it('correct the budgets, less what calls that began later have taken', () => {
      const budgets = budgetsOf(known('requests', 600), known('tokens', 60_000));
      const first = budgets.take(announcing(1000), 0);
      budgets.take(announcing(2000), 0);
      budgets.take(announcing(3000), 0);
      budgets.stated([stated('requests', 600, 400), stated('tokens', 60_000, 30_000)], 0, first, 0);
      expect(remainingOf(budgets, 'requests', 0)).toBeCloseTo(398);
      expect(remainingOf(budgets, 'tokens', 0)).toBeCloseTo(25_000);
    });

    it('are not corrected by what the call that they answer had reserved and did not use', () => {
      const budgets = budgetsOf(known('tokens', 60_000));
      const receipt = budgets.take(announcing(8000), 0);
      budgets.used({ inputTokens: 100 }, receipt, 0);
      budgets.stated([stated('tokens', 60_000, 30_000)], 0, receipt, 0);
      expect(remainingOf(budgets, 'tokens', 0)).toBeCloseTo(30_000);
    });

    it('are not corrected by what calls that began earlier had reserved and did not use', () => {
      const budgets = budgetsOf(known('tokens', 60_000));
      const first = budgets.take(announcing(8000), 0);
      const second = budgets.take(announcing(1000), 1);
      budgets.used({ inputTokens: 100 }, first, 0);
      budgets.stated([stated('tokens', 60_000, 30_000)], 1, second, 1);
      expect(remainingOf(budgets, 'tokens', 1)).toBeCloseTo(30_000);
    });

    it('that open a budget take off what calls in flight have announced', () => {
      const budgets = new Budgets();
      const first = budgets.take(announcing(10), 0);
      budgets.take(announcing(4000), 0);
      budgets.take(announcing(5000), 0);
      budgets.used({ inputTokens: 10 }, first, 0);
      budgets.stated([stated('tokens', 60_000, 50_000)], 0, first, 0);
      expect(remainingOf(budgets, 'tokens', 0)).toBeCloseTo(41_000);
    });

    it('do not count what could not come in, as the bucket was full before later calls began', () => {
      const budgets = new Budgets();
      // A bucket of 600 a minute, 10 deep.
      budgets.stated([stated('requests', 600, 9, 100)], 0, undefined, 0);
      const slow = budgets.take(announcing(undefined), 1000);
      for (let number = 2; number <= 9; number++) {
        budgets.take(announcing(undefined), 9900);
      }
      // Ten less eight, and one that has come in since.
      expect(remainingOf(budgets, 'requests', 10_000)).toBeCloseTo(3);
      budgets.stated([stated('requests', 600, 9, 100)], 1000, slow, 10_000);
      expect(remainingOf(budgets, 'requests', 10_000)).toBeLessThanOrEqual(4);
    });

    it('of one limit leave the others alone', () => {
      const budgets = budgetsOf(known('requests', 600), known('tokens', 60_000));
      budgets.stated([stated('tokens', 60_000, 100)], 0, undefined, 0);
      expect(remainingOf(budgets, 'requests', 0)).toBe(600);
    });
  });

  describe('the pace that limits set', () => {
    it('is that of the tightest, in calls of mean cost', () => {
      const budgets = budgetsOf(known('requests', 600), known('tokens', 60_000));
      expect(budgets.spacing).toBe(100);
      budgets.used({ inputTokens: 500 }, undefined, 0);
      expect(budgets.spacing).toBe(500);
    });

    it('is not set by the limit of a day, which says how much there is and not how fast it may be spent', () => {
      const budgets = budgetsOf(known('requests', 1000, { name: 'requests-day', window: day }));
      expect(budgets.spacing).toBe(0);
      budgets.add(known('requests', 600));
      expect(budgets.spacing).toBe(100);
      budgets.stated(
        [{ ...stated('requests', 14_400, 14_370), name: 'daily', window: day }],
        0,
        undefined,
        0,
      );
      expect(budgets.spacing).toBe(100);
    });
  });
});
