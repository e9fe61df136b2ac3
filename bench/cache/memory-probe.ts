/**
 * What the answers of one keeper take, in a process of its own: what a cache keeps for the whole process would
 * otherwise be there already when the next one is measured.
 *
 * Started by memory.ts: the name of a keeper, and how many caches to fill.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { entries, keepers, type Contents, type Footprint, type Keeper } from './keepers';
import { LLMResultCache } from '../../lib/index';

const [name, caches] = process.argv.slice(2);
const keeper = keepers.find((one) => one.name === name);
if (!keeper || !process.send) throw new Error('This is started by bench/cache/memory.ts.');
// The first one compiles, which takes memory too.
await footprintOf(keeper, 1);
process.send(await footprintOf(keeper, Number(caches)));

async function footprintOf({ valueOf, fill }: Keeper, count: number): Promise<Footprint> {
  const empty = await usedBytes();
  const contents = Array.from({ length: count }, (_, cache): Contents => {
    const numbers = Array.from({ length: entries }, (_value, index) => cache * entries + index);
    return {
      keys: numbers.map((number) => LLMResultCache.generateKey(number)),
      values: numbers.map(valueOf),
    };
  });
  const made = await usedBytes();
  const filled = contents.map(fill);
  const kept = await usedBytes();
  for (const cache of filled) if (cache instanceof LLMResultCache) cache.close();
  const answers = count * entries;
  // The two lists that hold keys and values until the caches do.
  const lists = 16;
  return { contents: (made - empty) / answers - lists, structure: (kept - made) / answers };
}

/** What is in use when nothing more can be collected. */
async function usedBytes(): Promise<number> {
  const { gc } = globalThis;
  if (!gc) throw new Error('The garbage collector cannot be called; run it as npm run bench:cache does.');
  let least = Infinity;
  for (let calm = 0; calm < 3; calm += 1) {
    // What is only weakly held, and compiled code that is not used any more, goes in later turns.
    await pause(10);
    gc();
    const { heapUsed, external } = process.memoryUsage();
    if (heapUsed + external < least - 1_024) calm = 0;
    least = Math.min(least, heapUsed + external);
  }
  return least;
}
