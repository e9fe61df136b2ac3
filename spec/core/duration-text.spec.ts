import { durationText } from '../../lib/core/duration-text';

describe('durationText', () => {
  it.each([
    [0, '0 ms'],
    [0.4, '0 ms'],
    [350, '350 ms'],
    [999.4, '999 ms'],
    [999.6, '1 s'],
    [2500, '2.5 s'],
    [12_400, '12.4 s'],
    [30_000, '30 s'],
    [59_460, '59.5 s'],
    [59_600, '1 min'],
    [60_000, '1 min'],
    [125_000, '2 min 5 s'],
    [3_599_400, '59 min 59 s'],
    [3_599_600, '1 h'],
    [7_500_000, '2 h 5 min'],
    [86_400_000, '24 h'],
    [31 * 86_400_000, '744 h'],
    [Infinity, 'Infinity h'],
  ])('writes %d ms as %s', (milliseconds, text) => {
    expect(durationText(milliseconds)).toBe(text);
  });
});
