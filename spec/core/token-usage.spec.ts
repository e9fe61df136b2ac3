import type { TokenUsage } from '../../lib/core/call';
import { tokenCount, totalTokens, usedSoFar } from '../../lib/core/token-usage';

const all = (...reports: TokenUsage[]) => reports.reduce<TokenUsage | undefined>(usedSoFar, undefined);

describe('usedSoFar', () => {
  it.each<[string, TokenUsage[], TokenUsage]>([
    ['parts', [{ inputTokens: 1000 }, { outputTokens: 50 }], { inputTokens: 1000, outputTokens: 50 }],
    [
      'a running total',
      [10, 30, 50].map((outputTokens) => ({ inputTokens: 1000, outputTokens })),
      { inputTokens: 1000, outputTokens: 50 },
    ],
    [
      'a total that comes after a part, as Anthropic streams it',
      [{ inputTokens: 25, outputTokens: 1 }, { outputTokens: 15 }],
      { inputTokens: 25, outputTokens: 15 },
    ],
    ['figures that come late and lower', [{ outputTokens: 50 }, { outputTokens: 10 }], { outputTokens: 50 }],
    [
      'every kind of token',
      [
        { inputTokens: 9, cachedInputTokens: 5, cacheWriteTokens: 1 },
        { outputTokens: 7, reasoningTokens: 4, cachedInputTokens: 6 },
      ],
      { inputTokens: 9, cachedInputTokens: 6, cacheWriteTokens: 1, outputTokens: 7, reasoningTokens: 4 },
    ],
    [
      'a model that is named once',
      [{ model: 'm', inputTokens: 1 }, { outputTokens: 2 }],
      { model: 'm', inputTokens: 1, outputTokens: 2 },
    ],
    [
      'a model that is named last',
      [{ model: 'asked' }, { model: 'answered' }, { model: '' }],
      { model: 'answered' },
    ],
    ['zero', [{ inputTokens: 0 }], { inputTokens: 0 }],
    [
      'what is no number of tokens',
      [
        { inputTokens: 5 },
        { inputTokens: NaN, outputTokens: -1, cachedInputTokens: Infinity },
        { inputTokens: '9', model: 7, other: 1 } as never,
      ],
      { inputTokens: 5 },
    ],
  ])('makes one usage of %s', (_name, reports, expected) => {
    expect(all(...reports)).toEqual(expected);
  });

  it('keeps what it knows while nothing is reported', () => {
    expect(usedSoFar(undefined, undefined)).toBeUndefined();
    expect(usedSoFar({ inputTokens: 1 }, undefined)).toEqual({ inputTokens: 1 });
  });

  it('keeps no reference to an object that its owner goes on counting in', () => {
    const counting = { inputTokens: 1 };
    const used = usedSoFar(undefined, counting);
    counting.inputTokens = 2;
    expect(used).toEqual({ inputTokens: 1 });
    expect(usedSoFar(used, counting)).toEqual({ inputTokens: 2 });
    expect(used).toEqual({ inputTokens: 1 });
  });
});

describe('tokenCount', () => {
  it.each([NaN, Infinity, -1, '5', null, undefined, {}])('is 0 for %p', (reported) => {
    expect(tokenCount(reported)).toBe(0);
  });

  it('sums prompt and answer, of which the other kinds are parts', () => {
    expect(totalTokens(undefined)).toBe(0);
    expect(totalTokens({ inputTokens: 5, cachedInputTokens: 4, outputTokens: 3, reasoningTokens: 2 })).toBe(
      8,
    );
  });
});
