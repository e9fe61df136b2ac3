/**
 * Room for the events that were read but not answered yet. A recorded input could be read far faster than it can be
 * answered; without this bound a large file would pile up in memory.
 */
export class LookAhead {
  readonly #most: number;
  #inside = 0;
  #wake: (() => void) | undefined;

  /** @param most events inside at once */
  constructor(most: number) {
    this.#most = most;
  }

  /** Waits until there is room, and takes it; an abort ends the waiting. One caller at a time. */
  async enter(signal: AbortSignal): Promise<void> {
    while (this.#inside >= this.#most && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wake = wake;
        signal.addEventListener('abort', wake);
      });
    }
    this.#inside += 1;
  }

  /** Gives room back. */
  leave(): void {
    this.#inside -= 1;
    this.#wake?.();
  }
}
