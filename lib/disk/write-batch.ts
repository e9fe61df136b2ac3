/** What a key is to lead to; a text of undefined is that it leads to nothing. */
export interface Write {
  readonly text: string | undefined;
  /** In milliseconds on the clock of the store; may be `Infinity`. */
  readonly expiresAt: number;
  /** Bytes of key and text. */
  readonly bytes: number;
}

type Settle = (error?: Error) => void;

const forgotten: Write = { text: undefined, expiresAt: Infinity, bytes: 0 };

/** Writes that are committed together: all are forgotten first where it clears, then each key is written once. */
export class WriteBatch {
  clears = false;
  readonly #writes = new Map<string, { write: Write; settle: Settle[] }>();
  readonly #settle: Settle[] = [];

  get isEmpty(): boolean {
    return !this.clears && this.#writes.size === 0;
  }

  get writes(): Iterable<readonly [string, Write]> {
    return Array.from(this.#writes, ([key, { write }]) => [key, write] as const);
  }

  /** What a key will lead to when this is committed; undefined where that is as before. */
  find(key: string): Write | undefined {
    return this.#writes.get(key)?.write ?? (this.clears ? forgotten : undefined);
  }

  /** Resolves when it is committed, or something later for the same key with it. */
  add(key: string, write: Write): Promise<void> {
    const settle = this.#writes.get(key)?.settle ?? [];
    // Behind all others: what was written last is the youngest.
    this.#writes.delete(key);
    this.#writes.set(key, { write, settle });
    return committed(settle);
  }

  /** Makes what was added so far superfluous. */
  clear(): Promise<void> {
    for (const { settle } of this.#writes.values()) {
      this.#settle.push(...settle);
    }
    this.#writes.clear();
    this.clears = true;
    return committed(this.#settle);
  }

  /** Takes the oldest writes out into a batch of their own: so many, and so many bytes, but one at least. */
  take(most: number, mostBytes: number): WriteBatch {
    const taken = new WriteBatch();
    taken.clears = this.clears;
    taken.#settle.push(...this.#settle.splice(0));
    this.clears = false;
    let bytes = 0;
    for (const [key, entry] of this.#writes) {
      bytes += entry.write.bytes;
      if (taken.#writes.size > 0 && (bytes > mostBytes || taken.#writes.size >= most)) {
        break;
      }
      taken.#writes.set(key, entry);
      this.#writes.delete(key);
    }
    return taken;
  }

  /** It was committed, or failed. */
  settle(error?: Error): void {
    for (const settle of this.#settle) {
      settle(error);
    }
    for (const { settle: settlers } of this.#writes.values()) {
      for (const settle of settlers) {
        settle(error);
      }
    }
  }
}

function committed(settlers: Settle[]): Promise<void> {
  return new Promise((resolve, reject) => {
    settlers.push((error) => {
      if (error === undefined) {
        resolve();
      } else {
        reject(error);
      }
    });
  });
}
