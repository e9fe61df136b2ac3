/**
 * What the cache costs and saves: a hit, a key, hit rates, memory, and the news desk with repeats.
 *
 * Run it: npm run bench:cache -- --help
 */
import { fileURLToPath } from 'node:url';
import { UsageError } from '../shared/flags';
import { writePage } from '../shared/page-file';
import { progress } from '../shared/progress';
import { factsLine, page, terminalSection, terminalVerdicts } from '../shared/report';
import { runFacts } from '../shared/run-facts';
import type { SectionReport } from '../shared/section';
import { measureHits } from './hit-path';
import { measureRates } from './hit-rates';
import { measureKeys } from './key-making';
import { measureMemory } from './memory';
import { measureDesk } from './news-desk';
import { help, readOptions, type Options, type SectionName } from './options';
import { readTraces, TraceError } from './traces';

const measured = ['rxjs', 'lru-cache', 'fast-json-stable-stringify', 'keyv', '@langchain/core', 'tinybench'];
const head = {
  title: 'What the cache costs and saves',
  command: 'npm run bench:cache',
  reading:
    'All figures are of one run on that machine; ratios and differences travel better than microseconds do.',
};
const pagePath = fileURLToPath(new URL('../../docs/caching-figures.md', import.meta.url));
const samplePath = fileURLToPath(new URL('../../demos/news-desk/sample/events.jsonl', import.meta.url));

try {
  const options = readOptions(process.argv.slice(2));
  if (options) await bench(options);
  else process.stdout.write(help);
} catch (error) {
  if (!(error instanceof UsageError || error instanceof TraceError)) throw error;
  const isUsage = error instanceof UsageError;
  process.stderr.write(`${error.message}.\n${isUsage ? 'See npm run bench:cache -- --help\n' : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}

async function bench(options: Options): Promise<void> {
  process.once('SIGINT', () => {
    progress('');
    process.stderr.write('Stopped; what stands above is whole, and no page was written.\n');
    process.exit(130);
  });
  const startedAt = performance.now();
  const effort = { isQuick: options.quick };
  const traces = options.traces === undefined ? undefined : readTraces(options.traces);
  const measures: Readonly<Record<SectionName, () => SectionReport | Promise<SectionReport>>> = {
    hit: () => measureHits(effort),
    key: () => measureKeys(effort),
    rates: () => measureRates(traces, effort),
    memory: () => measureMemory(effort),
    desk: () => measureDesk(samplePath),
  };
  const facts = runFacts(measured);
  process.stdout.write(`${factsLine(facts)}\n\n`);
  const sections: SectionReport[] = [];
  for (const name of options.only) {
    progress(`${name} …`);
    const section = await measures[name]();
    progress('');
    process.stdout.write(`${terminalSection(section)}\n`);
    sections.push(section);
  }
  const verdicts = sections.flatMap((section) => section.verdicts);
  process.stdout.write(terminalVerdicts(verdicts));
  if (options.isFull) {
    await writePage(pagePath, page(head, sections, facts));
    process.stderr.write('Written: docs/caching-figures.md\n');
  }
  process.stderr.write(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s\n`);
  if (options.check && verdicts.some(({ isKept }) => !isKept)) process.exitCode = 1;
}
