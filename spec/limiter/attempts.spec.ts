import { Attempts, type Attempt } from '../../lib/limiter/attempts';

describe('Attempts', () => {
  let attempts: Attempts;
  let decided: number[];
  let settled: string[];

  beforeEach(() => {
    decided = [];
    settled = [];
    attempts = new Attempts({
      decided: ({ id }: Attempt) => decided.push(id),
      settled: ({ id, verdict }: Attempt) => settled.push(`${id} ${verdict}`),
    });
  });

  it('counts a call as let through that runs for twice as long as the slowest refusal', () => {
    attempts.started(1, 0);
    attempts.refused(1, 0, 300);
    attempts.started(2, 1000);
    attempts.advance(1599);
    expect(decided).toEqual([]);
    expect(attempts.decidedAt).toBe(1600);
    attempts.advance(1600);
    expect(decided).toEqual([2]);
  });

  it('settles in the order of the starts', () => {
    for (const id of [1, 2, 3]) attempts.started(id, id);
    attempts.refused(3, 3, 20);
    attempts.advance(20);
    expect(settled).toEqual([]);
    attempts.letThrough(1, 1, 30);
    attempts.advance(30);
    expect(settled).toEqual(['1 let-through']);
    attempts.letThrough(2, 2, 40);
    attempts.advance(40);
    expect(settled).toEqual(['1 let-through', '2 let-through', '3 refused']);
  });

  it('settles nothing of a call that ends without a verdict, and waits for it no longer', () => {
    attempts.started(1, 0);
    attempts.started(2, 1);
    attempts.ended(1);
    attempts.refused(2, 1, 20);
    attempts.advance(20);
    expect(settled).toEqual(['2 refused']);
    expect(attempts.running).toBe(0);
  });

  it('tells settled verdicts again from a start on', () => {
    for (const id of [1, 2, 3]) attempts.letThrough(id, id, 10);
    attempts.advance(10);
    const again: number[] = [];
    attempts.replay(2, ({ number }) => again.push(number));
    expect(again).toEqual([2, 3]);
  });

  describe('of a request that is refused twice', () => {
    beforeEach(() => {
      attempts.started(1, 0);
      attempts.started(2, 10);
      attempts.refused(1, 0, 50);
      attempts.started(1, 60);
    });

    it('tells that it is alone when one is let through that started after its last refusal', () => {
      attempts.refused(1, 60, 110);
      attempts.started(3, 120);
      attempts.letThrough(3, 120, 150);
      expect(nextOf(1).isAlone).toBe(true);
    });

    it('tells so from then on, even if nobody else is let through any more', () => {
      attempts.refused(1, 60, 110);
      attempts.letThrough(3, 120, 150);
      expect(nextOf(1).isAlone).toBe(true);
      expect(nextOf(1).isAlone).toBe(true);
    });

    it('does not tell so when a wall explains a refusal', () => {
      attempts.refused(1, 60, 110, true);
      attempts.letThrough(3, 120, 150);
      expect(nextOf(1).isAlone).toBe(false);
    });

    it('knows whether another may have passed since', () => {
      const refused = attempts.refused(1, 60, 110);
      expect(attempts.mayHavePassedSince(refused)).toBe(false);
      attempts.started(3, 120);
      expect(attempts.mayHavePassedSince(refused)).toBe(true);
      attempts.refused(3, 120, 150);
      expect(attempts.mayHavePassedSince(refused)).toBe(false);
    });

    it('does not tell so when what is let through was started before', () => {
      attempts.letThrough(2, 10, 100);
      attempts.refused(1, 60, 110);
      expect(nextOf(1).isAlone).toBe(false);
    });

    function nextOf(id: number): Attempt {
      attempts.started(id, 200);
      return attempts.refused(id, 200, 250);
    }
  });

  it('takes in a call that it has not seen start', () => {
    attempts.letThrough(7, 0, 50);
    expect(attempts.refused(8, 10, 60)).toMatchObject({
      id: 8,
      number: 2,
      startedAt: 10,
      verdict: 'refused',
    });
    attempts.advance(60);
    expect(settled).toEqual(['7 let-through', '8 refused']);
  });

  it.each([10, 100])('measures the rate of a steady stream of %i a second', (rate) => {
    for (let id = 1; id <= 3 * rate; id++) attempts.started(id, (id * 1000) / rate);
    expect(attempts.rateBefore(3 * rate) / rate).toBeCloseTo(1, 1);
  });

  it('measures the usual gap after a hold', () => {
    for (let id = 1; id <= 10; id++) attempts.started(id, id * 100);
    attempts.started(11, 60_000);
    expect(attempts.rateBefore(11)).toBeCloseTo(10);
  });

  describe('of a request that is refused again and again', () => {
    function isAloneAfter(bySize: boolean, sizePassed: number): boolean {
      let isAlone = false;
      attempts = new Attempts({
        decided: () => undefined,
        settled: ({ id, isAlone: alone }) => {
          if (id === 1) isAlone = alone;
        },
      });
      attempts.isBySize = bySize;
      for (const at of [0, 100]) {
        attempts.started(1, at, 5);
        attempts.refused(1, at, at + 10);
      }
      attempts.started(2, 200, sizePassed);
      attempts.letThrough(2, 200, 300);
      attempts.started(1, 400, 5);
      attempts.refused(1, 400, 410);
      attempts.advance(1000);
      return isAlone;
    }

    it.each([
      ['say nothing of the others after another passed', false, 1, true],
      ['say something if only smaller ones passed and sizes count', true, 1, false],
      ['say nothing if a larger one passed and sizes count', true, 6, true],
    ])('verdicts %s', (_, bySize, sizePassed, isAlone) => {
      expect(isAloneAfter(bySize, sizePassed)).toBe(isAlone);
    });
  });
});
