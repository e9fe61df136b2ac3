const smallest = 16;

/** Up to here capacities double; from here on they grow by half, as half-empty arrays would take too much memory. */
const large = 4096;

/**
 * A first-in-first-out queue in arrays that are rings, so that a waiting item costs three words and no object: the
 * item, when it arrived, and its number. `shift` leaves the time and number of what it took in `arrivedAt` and `id`,
 * because returning them would cost an object.
 */
export class RingQueue<T> {
  #items: (T | undefined)[] = new Array<T | undefined>(smallest);
  /** For each item when it arrived, and its number. */
  #numbers = new Float64Array(2 * smallest);
  #head = 0;
  #length = 0;

  /** When the item that was shifted last had arrived. */
  arrivedAt = 0;
  /** The number of the item that was shifted last. */
  id = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T, arrivedAt: number, id: number): void {
    this.#grow();
    this.#put(this.#at(this.#length), item, arrivedAt, id);
    this.#length++;
  }

  unshift(item: T, arrivedAt: number, id: number): void {
    this.#grow();
    this.#head = (this.#head === 0 ? this.#items.length : this.#head) - 1;
    this.#put(this.#head, item, arrivedAt, id);
    this.#length++;
  }

  first(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }

  /** When the first item arrived; `Infinity` where there is none. */
  firstArrivedAt(): number {
    return this.#length === 0 ? Infinity : this.#numbers[2 * this.#head]!;
  }

  shift(): T | undefined {
    if (this.#length === 0) {
      return undefined;
    }
    const head = this.#head;
    const capacity = this.#items.length;
    const item = this.#items[head];
    this.arrivedAt = this.#numbers[2 * head]!;
    this.id = this.#numbers[2 * head + 1]!;
    this.#items[head] = undefined;
    this.#head = head + 1 === capacity ? 0 : head + 1;
    this.#length--;
    if (this.#length < capacity >> 3 && capacity > 2 * smallest) {
      this.#resize(capacity >> 2);
    }
    return item;
  }

  clear(): void {
    this.#items = new Array<T | undefined>(smallest);
    this.#numbers = new Float64Array(2 * smallest);
    this.#head = 0;
    this.#length = 0;
  }

  /** Takes out every item that `keep` refuses, in order. */
  retain(keep: (item: T, id: number) => boolean): void {
    let kept = 0;
    for (let offset = 0; offset < this.#length; offset++) {
      const from = this.#at(offset);
      const item = this.#items[from] as T;
      const id = this.#numbers[2 * from + 1]!;
      if (keep(item, id)) {
        this.#put(this.#at(kept++), item, this.#numbers[2 * from]!, id);
      }
    }
    for (let offset = kept; offset < this.#length; offset++) {
      this.#items[this.#at(offset)] = undefined;
    }
    this.#length = kept;
  }

  /** Where the item stands that is so many behind the first. */
  #at(offset: number): number {
    const index = this.#head + offset;
    const capacity = this.#items.length;
    return index < capacity ? index : index - capacity;
  }

  #put(index: number, item: T, arrivedAt: number, id: number): void {
    this.#items[index] = item;
    this.#numbers[2 * index] = arrivedAt;
    this.#numbers[2 * index + 1] = id;
  }

  #grow(): void {
    const capacity = this.#items.length;
    if (this.#length === capacity) {
      this.#resize(capacity < large ? 2 * capacity : capacity + (capacity >> 1));
    }
  }

  #resize(capacity: number): void {
    const oldCapacity = this.#items.length;
    const items = new Array<T | undefined>(capacity);
    for (let offset = 0; offset < this.#length; offset++) {
      items[offset] = this.#items[this.#at(offset)];
    }
    const numbers = new Float64Array(2 * capacity);
    const untilEnd = Math.min(this.#length, oldCapacity - this.#head);
    numbers.set(this.#numbers.subarray(2 * this.#head, 2 * (this.#head + untilEnd)));
    numbers.set(this.#numbers.subarray(0, 2 * (this.#length - untilEnd)), 2 * untilEnd);
    this.#items = items;
    this.#numbers = numbers;
    this.#head = 0;
  }
}
