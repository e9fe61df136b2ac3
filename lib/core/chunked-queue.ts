/** Items of the first chunk of an empty queue. */
const smallest = 16;

/**
 * Each chunk holds half as many as wait already, up to here, so that what is empty in the last one is of little weight.
 * Arrays of that size have pages of their own in V8 (above 128 KB), which collections of what is young do not copy.
 */
const largest = 16_384;

interface Chunk {
  readonly capacity: number;
  /** For each item the item itself, then its number: as whole numbers in an array of anything cost no object. */
  readonly entries: unknown[];
  readonly arrivals: number[];
  next: Chunk | undefined;
}

/**
 * A first-in-first-out queue in a chain of arrays, so that a waiting item costs three words and no object, and is never
 * moved: the item, when it arrived, and its number. `shift` leaves the time and number of what it took in `arrivedAt`
 * and `id`, because returning them would cost an object.
 */
export class ChunkedQueue<T> {
  #head = chunkOf(smallest);
  #tail = this.#head;
  /** Where the first item stands in the first chunk, and where the last chunk goes on. */
  #first = 0;
  #end = 0;
  #length = 0;
  /** A small chunk that was left, for one that is put in front next: a retry that starts at once, over and over. */
  #spare: Chunk | undefined;

  /** When the item that was shifted last had arrived. */
  arrivedAt = 0;
  /** The number of the item that was shifted last. */
  id = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T, arrivedAt: number, id: number): void {
    if (this.#end === this.#tail.capacity) {
      this.#lengthen();
    }
    put(this.#tail, this.#end++, item, arrivedAt, id);
    this.#length++;
  }

  unshift(item: T, arrivedAt: number, id: number): void {
    if (this.#length === 0) {
      this.push(item, arrivedAt, id);
      return;
    }
    if (this.#first === 0) {
      const chunk = this.#spare ?? chunkOf(smallest);
      this.#spare = undefined;
      chunk.next = this.#head;
      this.#head = chunk;
      this.#first = chunk.capacity;
    }
    put(this.#head, --this.#first, item, arrivedAt, id);
    this.#length++;
  }

  first(): T | undefined {
    return this.#length === 0 ? undefined : (this.#head.entries[2 * this.#first] as T);
  }

  /** The number of the first item; undefined where there is none. */
  firstId(): number | undefined {
    return this.#length === 0 ? undefined : (this.#head.entries[2 * this.#first + 1] as number);
  }

  /** When the first item arrived; `Infinity` where there is none. */
  firstArrivedAt(): number {
    return this.#length === 0 ? Infinity : this.#head.arrivals[this.#first]!;
  }

  shift(): T | undefined {
    if (this.#length === 0) {
      return undefined;
    }
    const { entries, arrivals, capacity } = this.#head;
    const index = this.#first++;
    const item = entries[2 * index] as T;
    this.arrivedAt = arrivals[index]!;
    this.id = entries[2 * index + 1] as number;
    entries[2 * index] = undefined;
    if (--this.#length === 0) {
      this.#rewind();
    } else if (this.#first === capacity) {
      this.#leaveHead();
    }
    return item;
  }

  clear(): void {
    this.#head = this.#tail = chunkOf(smallest);
    this.#first = this.#end = 0;
    this.#length = 0;
  }

  /** Takes out every item that `keep` refuses, in order. */
  retain(keep: (item: T, id: number, arrivedAt: number) => boolean): void {
    let chunk = this.#head;
    let index = this.#first;
    let left = this.#length;
    this.clear();
    for (; left > 0; left--, index++) {
      if (index === chunk.capacity) {
        chunk = chunk.next!;
        index = 0;
      }
      const item = chunk.entries[2 * index] as T;
      const id = chunk.entries[2 * index + 1] as number;
      const arrivedAt = chunk.arrivals[index]!;
      if (keep(item, id, arrivedAt)) {
        this.push(item, arrivedAt, id);
      }
    }
  }

  #lengthen(): void {
    this.#tail = this.#tail.next = chunkOf(Math.min(Math.max(this.#length >> 1, smallest), largest));
    this.#end = 0;
  }

  #leaveHead(): void {
    const left = this.#head;
    this.#head = left.next!;
    this.#first = 0;
    if (left.capacity === smallest) {
      left.next = undefined;
      this.#spare = left;
    }
  }

  /** An empty queue begins at the beginning of a chunk that is not too large for one that may stay empty. */
  #rewind(): void {
    if (this.#tail.capacity > 4 * smallest) {
      this.clear();
    } else {
      this.#head = this.#tail;
      this.#first = this.#end = 0;
    }
  }
}

function chunkOf(capacity: number): Chunk {
  return {
    capacity,
    entries: new Array<unknown>(2 * capacity),
    // Numbers with a fraction, so that each stands in the array itself; a typed array would have a buffer to look after.
    arrivals: new Array<number>(capacity).fill(0.5),
    next: undefined,
  };
}

function put(chunk: Chunk, index: number, item: unknown, arrivedAt: number, id: number): void {
  chunk.entries[2 * index] = item;
  chunk.entries[2 * index + 1] = id;
  chunk.arrivals[index] = arrivedAt;
}
