import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CannotRunError } from './cannot-run-error';
import { UsageError } from './flags';
import { writePage } from './page-file';
import { progress } from './progress';
import { factsLine, page, terminalSection, terminalVerdicts, type PageHead, type RunFacts } from './report';
import type { SectionReport } from './section';

/** Runs a bench as its command line asks; says what is wrong, and with which exit code, if it cannot. */
export async function runCommand<O>(
  { name, help }: { readonly name: string; readonly help: string },
  /** Undefined where only help is asked for. */
  readOptions: (argumentsGiven: readonly string[]) => O | undefined,
  bench: (options: O) => Promise<void>,
): Promise<void> {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options) await bench(options);
    else process.stdout.write(help);
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof CannotRunError)) throw error;
    const isUsage = error instanceof UsageError;
    process.stderr.write(`${error.message}.\n${isUsage ? `See npm run ${name} -- --help\n` : ''}`);
    process.exitCode = isUsage ? 2 : 1;
  }
}

/** Says that Ctrl-C stopped the bench, and ends the process. */
export function stopped(signal: NodeJS.Signals): never {
  progress('');
  process.stderr.write('Stopped; what stands above is whole, and no page was written.\n');
  process.exit(signal === 'SIGINT' ? 130 : 143);
}

/** Shows sections as they come, how rxllm stands to its bounds, and writes the page of a full run. */
export async function reportSections(
  measure: (heard: (section: SectionReport) => void) => Promise<void>,
  facts: RunFacts,
  { isFull, check }: { readonly isFull: boolean; readonly check: boolean },
  { head, path }: { readonly head: PageHead; readonly path: string },
): Promise<void> {
  const startedAt = performance.now();
  process.stdout.write(`${factsLine(facts)}\n\n`);
  const sections: SectionReport[] = [];
  await measure((section) => {
    progress('');
    process.stdout.write(`${terminalSection(section)}\n`);
    sections.push(section);
  });
  const verdicts = sections.flatMap((section) => section.verdicts);
  process.stdout.write(terminalVerdicts(verdicts));
  if (isFull) {
    await writePage(path, page(head, sections, facts));
    if (head.chart)
      writeFileSync(join(dirname(path), head.chart.file), head.chart.draw(sections[0]!.tables[0]!));
    process.stderr.write(`Written: ${path}\n`);
  }
  process.stderr.write(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s\n`);
  if (check && verdicts.some(({ isKept }) => !isKept)) process.exitCode = 1;
}
