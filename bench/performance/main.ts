/**
 * What rxllm itself costs: time and memory of a call, beside others; a soak; and what cache and batches are worth.
 *
 * Run it: npm run bench -- --help
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../shared/flags';
import { writePage } from '../shared/page-file';
import { progress } from '../shared/progress';
import { factsLine, page, terminalSection, terminalVerdicts } from '../shared/report';
import { runFacts } from '../shared/run-facts';
import type { SectionReport } from '../shared/section';
import { bundle } from './bundle';
import { help, readOptions, type Options } from './options';
import { pageHead } from './page-head';
import type { Plan } from './plan';

const measured = ['rxjs', 'lru-cache', 'p-limit', 'p-queue', 'cockatiel', 'bottleneck', 'effect', 'esbuild'];
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Megabytes of heap that a million requests with a cache key each, and all that is around them, fit into. */
const heapLimit = 8_192;

/** The measuring process cannot go on; the message says why in one sentence without its full stop. */
class MeasuringError extends Error {
  override readonly name = 'MeasuringError';
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options) await bench(options);
  else process.stdout.write(help);
} catch (error) {
  if (!(error instanceof UsageError || error instanceof MeasuringError)) throw error;
  const isUsage = error instanceof UsageError;
  process.stderr.write(`${error.message}.\n${isUsage ? 'See npm run bench -- --help\n' : ''}`);
  process.exitCode = isUsage ? 2 : 1;
}

async function bench(options: Options): Promise<void> {
  const startedAt = performance.now();
  const facts = runFacts(measured);
  process.stdout.write(`${factsLine(facts)}\n\n`);
  const sections: SectionReport[] = [];
  await measure(options, (section) => {
    progress('');
    process.stdout.write(`${terminalSection(section)}\n`);
    sections.push(section);
  });
  const verdicts = sections.flatMap((section) => section.verdicts);
  process.stdout.write(terminalVerdicts(verdicts));
  if (options.isFull) {
    await writePage(join(root, 'docs/performance.md'), page(pageHead, sections, facts));
    process.stderr.write('Written: docs/performance.md\n');
  }
  process.stderr.write(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s\n`);
  if (options.check && verdicts.some(({ isKept }) => !isKept)) process.exitCode = 1;
}

/** Measures in a process of its own, whose garbage collector can be called and where nothing else runs. */
async function measure(options: Options, heard: (section: SectionReport) => void): Promise<void> {
  const { path, remove } = await bundle(root, 'bench/performance/measure.ts');
  const plan: Plan = {
    isQuick: options.quick,
    parts: options.only,
    sample: join(root, 'demos/news-desk/sample/events.jsonl'),
  };
  const child = spawn(
    process.execPath,
    ['--expose-gc', `--max-old-space-size=${heapLimit}`, path, JSON.stringify(plan)],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  const stop = (signal: NodeJS.Signals) => {
    child.kill('SIGKILL');
    remove();
    progress('');
    process.stderr.write('Stopped; what stands above is whole, and no page was written.\n');
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('message', (section) => heard(section as SectionReport));
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (code === 0) resolve();
        else
          reject(new MeasuringError(`The measuring process ended early (${signal ?? `exit code ${code}`})`));
      });
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    remove();
  }
}
