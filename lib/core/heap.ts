/** An item of a {@link Heap}. It stores its own index, so it can be in one heap at a time. */
export interface HeapItem {
  heapIndex: number;
}

/** A binary heap whose items may be moved and removed. */
export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];

  constructor(private readonly isBefore: (one: T, other: T) => boolean) {}

  get first(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return this.#items[item.heapIndex] === item;
  }

  /** Adds an item, or moves it after its order changed. */
  put(item: T): void {
    if (!this.has(item)) {
      item.heapIndex = this.#items.length;
      this.#items.push(item);
    }
    this.#rise(item);
    this.#sink(item);
  }

  delete(item: T): void {
    if (!this.has(item)) {
      return;
    }
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#set(last, item.heapIndex);
      this.put(last);
    }
  }

  #rise(item: T): void {
    for (;;) {
      const index = item.heapIndex;
      const parent = index > 0 ? this.#items[(index - 1) >> 1]! : undefined;
      if (!parent || !this.isBefore(item, parent)) {
        return;
      }
      this.#set(item, parent.heapIndex);
      this.#set(parent, index);
    }
  }

  #sink(item: T): void {
    for (;;) {
      const index = item.heapIndex;
      const left = this.#items[2 * index + 1];
      const right = this.#items[2 * index + 2];
      const child = right && this.isBefore(right, left!) ? right : left;
      if (!child || !this.isBefore(child, item)) {
        return;
      }
      this.#set(item, child.heapIndex);
      this.#set(child, index);
    }
  }

  #set(item: T, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }
}
