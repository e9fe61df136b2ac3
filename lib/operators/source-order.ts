/** Holds back items that are ready too early, and emits them in the order of their index (1, 2, 3, …). */
export class SourceOrder<T> {
  readonly #ready = new Map<number, T | undefined>();
  #next = 1;

  constructor(private readonly emit: (item: T) => void) {}

  get isEmpty(): boolean {
    return this.#ready.size === 0;
  }

  /** Adds the item of an index; undefined if there is none. */
  put(index: number, item: T | undefined): void {
    this.#ready.set(index, item);
    while (this.#ready.has(this.#next)) {
      const next = this.#ready.get(this.#next);
      this.#ready.delete(this.#next++);
      if (next !== undefined) {
        this.emit(next);
      }
    }
  }
}
