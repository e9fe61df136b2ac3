import * as fc from 'fast-check';
import { Receipts } from '../../lib/limiter/receipts';

const steps = fc.array(
  fc.record({
    do: fc.constantFrom('add', 'add', 'delete'),
    // Some of them want the same place.
    id: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 60, max: 140 }), fc.constant(2 ** 33 + 1)),
  }),
  { maxLength: 200, size: 'max' },
);

describe('Receipts', () => {
  it('are those that a Map would hold', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const receipts = new Receipts();
        const model = new Map<number, number>();
        given.forEach((step, number) => {
          if (step.do === 'add') {
            receipts.add(step.id).number = number;
            model.set(step.id, number);
          } else {
            receipts.delete(step.id);
            model.delete(step.id);
          }
          expect(receipts.size).toBe(model.size);
          const wrong = given.filter(({ id }) => receipts.get(id)?.number !== model.get(id));
          expect(wrong).toEqual([]);
        });
      }),
      { numRuns: 100 },
    );
  });

  it('forgets the oldest of a hundred thousand whose end was never heard of', () => {
    const receipts = new Receipts();
    const most = 100_000;
    for (let id = 1; id <= most + 500; id++) {
      receipts.add(id).number = id;
    }
    expect(receipts.size).toBe(most);
    expect(receipts.get(500)).toBeUndefined();
    expect(receipts.get(501)?.number).toBe(501);
    expect(receipts.get(most + 500)?.number).toBe(most + 500);
  });
});
