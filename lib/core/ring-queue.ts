const smallest = 16;

/**
 * A first-in-first-out queue in arrays of a power of two, so that a waiting item costs three words and no object:
 * the item, when it arrived, and its number. `shift` leaves the time and number of what it took in `arrivedAt` and
 * `id`, because returning them would cost an object.
 */
export class RingQueue<T> {
  #items: (T | undefined)[] = new Array<T | undefined>(smallest);
  #arrivals = new Float64Array(smallest);
  #ids = new Float64Array(smallest);
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
    this.#put((this.#head + this.#length) & (this.#items.length - 1), item, arrivedAt, id);
    this.#length++;
  }

  unshift(item: T, arrivedAt: number, id: number): void {
    this.#grow();
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#put(this.#head, item, arrivedAt, id);
    this.#length++;
  }

  first(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }

  /** When the first item arrived; `Infinity` where there is none. */
  firstArrivedAt(): number {
    return this.#length === 0 ? Infinity : this.#arrivals[this.#head]!;
  }

  shift(): T | undefined {
    if (this.#length === 0) {
      return undefined;
    }
    const item = this.#items[this.#head];
    this.arrivedAt = this.#arrivals[this.#head]!;
    this.id = this.#ids[this.#head]!;
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    if (this.#length < this.#items.length >> 2 && this.#items.length > smallest) {
      this.#resize(this.#items.length >> 1);
    }
    return item;
  }

  /** Takes out every item that `keep` refuses, in order. */
  retain(keep: (item: T, id: number) => boolean): void {
    const mask = this.#items.length - 1;
    let kept = 0;
    for (let offset = 0; offset < this.#length; offset++) {
      const from = (this.#head + offset) & mask;
      const item = this.#items[from] as T;
      const id = this.#ids[from]!;
      if (keep(item, id)) {
        this.#put((this.#head + kept++) & mask, item, this.#arrivals[from]!, id);
      }
    }
    for (let offset = kept; offset < this.#length; offset++) {
      this.#items[(this.#head + offset) & mask] = undefined;
    }
    this.#length = kept;
  }

  #put(index: number, item: T, arrivedAt: number, id: number): void {
    this.#items[index] = item;
    this.#arrivals[index] = arrivedAt;
    this.#ids[index] = id;
  }

  #grow(): void {
    if (this.#length === this.#items.length) {
      this.#resize(this.#length * 2);
    }
  }

  #resize(capacity: number): void {
    const items = new Array<T | undefined>(capacity);
    const arrivals = new Float64Array(capacity);
    const ids = new Float64Array(capacity);
    const mask = this.#items.length - 1;
    for (let offset = 0; offset < this.#length; offset++) {
      const from = (this.#head + offset) & mask;
      items[offset] = this.#items[from];
      arrivals[offset] = this.#arrivals[from]!;
      ids[offset] = this.#ids[from]!;
    }
    this.#items = items;
    this.#arrivals = arrivals;
    this.#ids = ids;
    this.#head = 0;
  }
}
