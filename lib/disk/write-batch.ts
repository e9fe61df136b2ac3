/** What a key is to lead to. */
export interface Write {
  /** Undefined if the key is to be forgotten. */
  readonly text: string | undefined;
  /** In milliseconds on the clock of the store; may be `Infinity`. */
  readonly expiresAt: number;
}

const forgotten: Write = { text: undefined, expiresAt: Infinity };

/** Writes that are committed together: everything is forgotten first if it clears, then each key is written once. */
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

  /** What a key leads to once the batch is committed; undefined if that stays as it is. */
  find(key: string): Write | undefined {
    return this.writes.get(key) ?? (this.clears ? forgotten : undefined);
  }

  /** Writes a key, as the youngest. */
  add(key: string, write: Write): void {
    this.writes.delete(key);
    this.writes.set(key, write);
  }

  clear(): void {
    this.writes.clear();
    this.clears = true;
  }
}
