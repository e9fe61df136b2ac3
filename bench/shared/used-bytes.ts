import { setTimeout as pause } from 'node:timers/promises';

/** Bytes of the heap and of buffers beside it that are in use when nothing more can be collected. */
export async function usedBytes(): Promise<number> {
  const { gc } = globalThis;
  if (!gc) throw new Error('The garbage collector cannot be called; it needs node --expose-gc.');
  let least = Infinity;
  for (let calm = 0; calm < 3; calm += 1) {
    // What is only weakly held, and compiled code that is not used any more, goes in later turns.
    await pause(10);
    gc();
    // Array buffers are part of what is external.
    const { heapUsed, external } = process.memoryUsage();
    if (heapUsed + external < least - 1_024) calm = 0;
    least = Math.min(least, heapUsed + external);
  }
  return least;
}
