/** Holds back what is ready too early, so that it leaves in the order of its index (1, 2, 3, …). */
export class SourceOrder<T> {
  readonly #ready = new Map<number, T | undefined>();
  #next = 1;

  constructor(private readonly emit: (item: T) => void) {}

  /** Whether nothing is held back. */
  get isEmpty(): boolean {
    return this.#ready.size === 0;
  }

  /** The item of an index; undefined where there will be none. */
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
