import { LLMResultCache } from '../../lib/index';
import { usedBytes } from '../shared/used-bytes';
import { entries, type Contents, type Footprint, type Keeper } from './keepers';

/** What the answers take in so many caches of one keeper, filled one after the other, in this process. */
export async function footprintOf({ valueOf, fill }: Keeper, count: number): Promise<Footprint> {
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
