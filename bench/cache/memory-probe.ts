/**
 * What the answers of one keeper take, in a process of its own: what a cache keeps for the whole process would
 * otherwise be there already when the next one is measured.
 *
 * Started by memory.ts: the name of a keeper, and how many caches to fill.
 */
import { footprintOf } from './footprint';
import { keepers } from './keepers';

const [name, caches] = process.argv.slice(2);
const keeper = keepers.find((one) => one.name === name);
if (!keeper || !process.send) throw new Error('This is started by bench/cache/memory.ts.');
// The first one compiles, which takes memory too.
await footprintOf(keeper, 1);
process.send(await footprintOf(keeper, Number(caches)));
