import * as fc from 'fast-check';
import { Heap, type HeapItem } from '../../lib/core/heap';

interface Numbered extends HeapItem {
  number: number;
}

describe('Heap', () => {
  it('has the least item first, whatever is added, moved and removed', () => {
    const step = fc.record({
      item: fc.nat(9),
      number: fc.nat(50),
      isRemoved: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const items = Array.from({ length: 10 }, (): Numbered => ({ heapIndex: 0, number: 0 }));
        const heap = new Heap<Numbered>((one, other) => one.number < other.number);
        const expected = new Set<Numbered>();
        for (const { item: index, number, isRemoved } of steps) {
          const item = items[index]!;
          if (isRemoved) {
            heap.delete(item);
            expected.delete(item);
          } else {
            item.number = number;
            heap.put(item);
            expected.add(item);
          }
          expect(items.filter((one) => heap.has(one))).toEqual(items.filter((one) => expected.has(one)));
          const least = Math.min(...[...expected].map((one) => one.number));
          expect(heap.first?.number ?? Infinity).toBe(least);
        }
      }),
    );
  });
});
