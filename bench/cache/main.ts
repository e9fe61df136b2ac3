/**
 * What the cache costs and saves: a hit, a key, hit rates, memory, and the news desk with repeats.
 *
 * Run it: npm run bench:cache -- --help
 */
import { fileURLToPath } from 'node:url';
import { reportSections, runCommand, stopped } from '../shared/command';
import { progress } from '../shared/progress';
import { runFacts } from '../shared/run-facts';
import type { SectionReport } from '../shared/section';
import { measureHits } from './hit-path';
import { measureRates } from './hit-rates';
import { measureKeys } from './key-making';
import { measureMemory } from './memory';
import { measureDesk } from './news-desk';
import { help, readOptions, type Options, type SectionName } from './options';
import { readTraces } from './traces';

const measured = ['rxjs', 'lru-cache', 'fast-json-stable-stringify', 'keyv', '@langchain/core', 'tinybench'];
const head = {
  title: 'What the cache costs and saves',
  command: 'npm run bench:cache',
  reading:
    'All figures are of one run on that machine; ratios and differences travel better than microseconds do.',
};
const pagePath = fileURLToPath(new URL('../../docs/caching-figures.md', import.meta.url));
const samplePath = fileURLToPath(new URL('../../demos/news-desk/sample/events.jsonl', import.meta.url));

await runCommand({ name: 'bench:cache', help }, readOptions, async (options) => {
  process.once('SIGINT', stopped).once('SIGTERM', stopped);
  const traces = options.traces === undefined ? undefined : readTraces(options.traces);
  await reportSections((heard) => measure(options, traces, heard), runFacts(measured), options, {
    head,
    path: pagePath,
  });
});

async function measure(
  { quick, only }: Options,
  traces: ReturnType<typeof readTraces> | undefined,
  heard: (section: SectionReport) => void,
): Promise<void> {
  const effort = { isQuick: quick };
  const measures: Readonly<Record<SectionName, () => SectionReport | Promise<SectionReport>>> = {
    hit: () => measureHits(effort),
    key: () => measureKeys(effort),
    rates: () => measureRates(traces, effort),
    memory: () => measureMemory(effort),
    desk: () => measureDesk(samplePath),
  };
  for (const name of only) {
    progress(`${name} …`);
    heard(await measures[name]());
  }
}
