/**
 * Measures what main.ts asks for, in this one process, and sends the sections back one by one.
 *
 * Started by main.ts as one bundled file: a plan as JSON.
 */
import type { SectionReport } from '../shared/section';
import { measureCost } from './cost';
import { measureGrowth } from './growth';
import { measureMemory } from './memory';
import type { PartName } from './options';
import type { Plan } from './plan';
import { measureSeeds } from './seeds';
import { measureSoak } from './soak';

const { isQuick, parts, sample } = JSON.parse(process.argv[2] ?? 'null') as Plan;
if (!process.send) throw new Error('This is started by bench/performance/main.ts.');
// Nobody waits for figures any more.
process.once('disconnect', () => process.exit(1));

const effort = { isQuick };
const measures: Readonly<Record<PartName, () => Promise<readonly SectionReport[]>>> = {
  cost: async () => [await measureCost(effort)],
  growth: async () => [await measureGrowth(effort)],
  memory: async () => [await measureMemory(effort)],
  soak: async () => [await measureSoak(effort)],
  seeds: () => measureSeeds(sample, effort),
};
for (const part of parts) {
  // Where nobody watches, a line for each part is enough.
  if (!process.stderr.isTTY) process.stderr.write(`${part} …\n`);
  for (const section of await measures[part]()) process.send(section);
}
process.removeAllListeners('disconnect');
process.disconnect();
