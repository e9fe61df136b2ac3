import type { Attempt } from '../../lib/limiter/attempts';
import { changePoint, isSurprising } from '../../lib/limiter/surprise';

describe('isSurprising', () => {
  it('is not surprised by one refusal', () => {
    expect(isSurprising(attemptsOf('x'), 0)).toBe(false);
    expect(isSurprising(attemptsOf('.........x'), 0)).toBe(false);
  });

  it('is surprised by two in a row where none is expected', () => {
    expect(isSurprising(attemptsOf('xx'), 0)).toBe(true);
    expect(isSurprising(attemptsOf('........xx'), 0)).toBe(true);
  });

  it('is not surprised by twelve of twenty where half is expected', () => {
    expect(isSurprising(attemptsOf('x'.repeat(12) + '.'.repeat(8)), 0.5)).toBe(false);
  });

  it('is surprised by nineteen of twenty where half is expected', () => {
    expect(isSurprising(attemptsOf('x'.repeat(19) + '.'), 0.5)).toBe(true);
  });
});

describe('changePoint', () => {
  it('is the first of a late run', () => {
    expect(changePoint(attemptsOf('..........xxx'), 0).number).toBe(11);
  });

  it('leaves out earlier refusals that the expected share explains', () => {
    expect(changePoint(attemptsOf('x...x....x....xxxxxx'), 0.2).number).toBe(15);
  });

  it('takes in a run that a call let through interrupts', () => {
    expect(changePoint(attemptsOf('..........xxx.xxx'), 0).number).toBe(11);
  });

  it('is the only refusal', () => {
    expect(changePoint(attemptsOf('...x..'), 0).number).toBe(4);
  });
});

/** An x for each that was refused, a dot for each that was let through. */
function attemptsOf(verdicts: string): Attempt[] {
  return Array.from(verdicts, (verdict, index) => ({
    id: index,
    number: index + 1,
    startedAt: 100 * index,
    running: 1,
    isAlone: false,
    isRetry: false,
    size: 1,
    weight: 1,
    verdict: verdict === 'x' ? 'refused' : 'let-through',
  }));
}
