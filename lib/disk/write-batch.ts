/** The pending value of a key. */
export interface Write {
  /** Undefined if the key is deleted. */
  readonly text: string | undefined;
  /** In milliseconds on the clock of the store; may be `Infinity`. */
  readonly expiresAt: number;
}

const forgotten: Write = { text: undefined, expiresAt: Infinity };

/** Writes that are committed together: first a clear, if there is one, then one write per key. */
export class WriteBatch {
  clears = false;
  readonly writes = new Map<string, Write>();
  /** Resolves when the batch is on the disk. */
  readonly committed: Promise<void>;
  resolve!: () => void;
  reject!: (error: Error) => void;

  constructor() {
    this.committed = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** The pending value of a key; undefined if it does not change. */
  find(key: string): Write | undefined {
    return this.writes.get(key) ?? (this.clears ? forgotten : undefined);
  }

  /** Adds a write as the youngest. */
  add(key: string, write: Write): void {
    this.writes.delete(key);
    this.writes.set(key, write);
  }

  clear(): void {
    this.writes.clear();
    this.clears = true;
  }
}
