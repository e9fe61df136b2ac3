/**
 * What rxllm itself costs: time and memory of a call, beside others; a soak; and what cache and batches are worth.
 *
 * Run it: npm run bench -- --help
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CannotRunError } from '../shared/cannot-run-error';
import { reportSections, runCommand, stopped } from '../shared/command';
import { runFacts } from '../shared/run-facts';
import type { SectionReport } from '../shared/section';
import { bundle } from './bundle';
import { help, readOptions, type Options } from './options';
import { pageHead } from './page-head';
import type { Plan } from './plan';

const measured = ['rxjs', 'p-limit', 'p-queue', 'cockatiel', 'bottleneck', 'effect', 'esbuild'];
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Megabytes of heap that a million requests with a cache key each, and all that is around them, fit into. */
const heapLimit = 8_192;

await runCommand({ name: 'bench', help }, readOptions, (options) =>
  reportSections((heard) => measure(options, heard), runFacts(measured), options, {
    head: pageHead,
    path: join(root, 'docs/performance.md'),
  }),
);

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
    stopped(signal);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('message', (section) => heard(section as SectionReport));
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (code === 0) resolve();
        else
          reject(new CannotRunError(`The measuring process ended early (${signal ?? `exit code ${code}`})`));
      });
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    remove();
  }
}
