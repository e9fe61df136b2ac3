import * as fc from 'fast-check';
import { RingQueue } from '../../lib/core/ring-queue';

interface Step {
  readonly do: 'push' | 'unshift' | 'shift' | 'retain';
  /** Items of numbers that it divides are not retained. */
  readonly divisor?: number;
}

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant<Step>({ do: 'push' }) },
    { weight: 2, arbitrary: fc.constant<Step>({ do: 'unshift' }) },
    { weight: 5, arbitrary: fc.constant<Step>({ do: 'shift' }) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 2, max: 5 }).map((divisor): Step => ({ do: 'retain', divisor })),
    },
  ),
  { maxLength: 400 },
);

describe('RingQueue', () => {
  it('does what an array does, whatever is done to it', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const queue = new RingQueue<string>();
        let model: number[] = [];
        let next = 0;
        for (const step of given) {
          if (step.do === 'push') {
            queue.push(`item ${next}`, next / 2, next);
            model.push(next++);
          } else if (step.do === 'unshift') {
            queue.unshift(`item ${next}`, next / 2, next);
            model.unshift(next++);
          } else if (step.do === 'shift') {
            const expected = model.shift();
            expect(queue.shift()).toBe(expected === undefined ? undefined : `item ${expected}`);
            if (expected !== undefined) {
              expect({ arrivedAt: queue.arrivedAt, id: queue.id }).toEqual({
                arrivedAt: expected / 2,
                id: expected,
              });
            }
          } else {
            const { divisor = 2 } = step;
            queue.retain((_item, id) => id % divisor !== 0);
            model = model.filter((id) => id % divisor !== 0);
          }
          expect(queue.length).toBe(model.length);
          expect(queue.first()).toBe(model.length === 0 ? undefined : `item ${model[0]}`);
          expect(queue.firstArrivedAt()).toBe(model.length === 0 ? Infinity : model[0]! / 2);
        }
      }),
    );
  });
});
