import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { ChunkedQueue } from '../../lib/core/chunked-queue';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

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

describe('ChunkedQueue', () => {
  it('does what an array does, whatever is done to it', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const queue = new ChunkedQueue<string>();
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

  it('keeps order and numbers while it grows to tens of thousands, and while it shrinks again', () => {
    const queue = new ChunkedQueue<number>();
    let pushed = 0;
    let shifted = 0;
    const shift = () => {
      expect([queue.shift(), queue.arrivedAt, queue.id]).toEqual([shifted, shifted / 2, shifted]);
      shifted++;
    };
    // Three in, one out, so that the head is anywhere when the queue grows.
    while (pushed < 60_000) {
      for (let one = 0; one < 3; one++) {
        queue.push(pushed, pushed / 2, pushed);
        pushed++;
      }
      shift();
    }
    expect(queue.length).toBe(40_000);
    while (queue.length > 0) {
      shift();
    }
    expect(shifted).toBe(60_000);
  });

  it('holds nothing after it was cleared, and takes items again', () => {
    const queue = new ChunkedQueue<string>();
    queue.push('a', 1, 1);
    queue.clear();
    expect([queue.length, queue.first(), queue.shift()]).toEqual([0, undefined, undefined]);
    queue.push('b', 2, 2);
    expect([queue.shift(), queue.arrivedAt, queue.id]).toEqual(['b', 2, 2]);
  });

  describe('keeps no memory', () => {
    it('of what was taken out', async () => {
      const queue = new ChunkedQueue<object>();
      const taken = Array.from({ length: 10 }, () => {
        const item = {};
        queue.push(item, 0, 0);
        return new WeakRef(item);
      });
      queue.push({}, 0, 0);
      for (const [index] of taken.entries()) {
        queue.shift();
        expect(queue.length).toBe(10 - index);
      }
      // What was made or read in a turn lives until the end of it.
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
      expect(taken.filter((item) => item.deref() !== undefined)).toEqual([]);
    });

    it.each([
      ['is empty again after thousands have waited', 3000, 0],
      ['never was empty, while thousands came and went one by one', 1, 3000],
    ])('to speak of where it %s', async (_case, atOnce, oneByOne) => {
      const queues = Array.from({ length: 100 }, () => new ChunkedQueue<string>());
      collectGarbage();
      const before = process.memoryUsage().heapUsed;
      for (const queue of queues) {
        for (let item = 0; item < atOnce; item++) {
          queue.push('item', item, item);
        }
        for (let item = 0; item < oneByOne; item++) {
          queue.push('item', item, item);
          queue.shift();
        }
        for (let item = 0; item < atOnce && oneByOne === 0; item++) {
          queue.shift();
        }
      }
      let bytes = Infinity;
      // What others leave behind is given back some time after the collection that finds it.
      for (let turn = 0; turn < 100 && bytes >= 2000; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
        collectGarbage();
        bytes = (process.memoryUsage().heapUsed - before) / queues.length;
      }
      expect(bytes).toBeLessThan(2000);
    });
  });
});
