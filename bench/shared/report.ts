import Table from 'cli-table3';
import type { FigureTable, SectionReport, Verdict } from './section';

/** What a page says before its figures. */
export interface PageHead {
  readonly title: string;
  /** What writes the page. */
  readonly command: string;
  /** How it was measured and how to read it, in Markdown. */
  readonly reading: string;
  /** A chart of the first table, in a file beside the page. */
  readonly chart?: {
    readonly file: string;
    readonly alt: string;
    readonly draw: (table: FigureTable) => string;
  };
}

/** What a page or a terminal says of the run itself. */
export interface RunFacts {
  readonly date: string;
  readonly node: string;
  readonly machine: string;
  /** Package and version of everything measured. */
  readonly versions: readonly (readonly [name: string, version: string])[];
}

/** Where and with what a run was made, in one line. */
export function factsLine({ date, node, machine, versions }: RunFacts): string {
  return `${date}, Node ${node}, ${machine}; ${versions.map((version) => version.join(' ')).join(', ')}.`;
}

/** A section for the terminal. */
export function terminalSection({ title, about, tables }: SectionReport): string {
  return [title, ...(tables.length === 0 ? [plain(about)] : tables.map(terminalTable)), ''].join('\n');
}

/** How rxllm stands to its bounds, in lines for the terminal. */
export function terminalVerdicts(verdicts: readonly Verdict[]): string {
  const missed = verdicts.filter(({ isKept }) => !isKept);
  return [
    `rxllm keeps ${verdicts.length - missed.length} of ${verdicts.length} bounds.`,
    ...missed.map(({ what, measured, bound }) => `  ${what}: ${measured}, but must be ${bound}`),
    '',
  ].join('\n');
}

/** A page of `docs/`: the answer, a table and a chart first, how it was measured last. */
export function page(
  { title: name, command, reading: method, chart }: PageHead,
  sections: readonly SectionReport[],
  facts: RunFacts,
): string {
  const verdicts = sections.flatMap((section) => section.verdicts);
  const kept = verdicts.filter(({ isKept }) => isKept).length;
  return `# ${name}

${[
  sections.flatMap(({ answer }) => answer ?? []).join(' '),
  ...(sections[0]?.tables.slice(0, 1).map(markdownTable) ?? []),
  ...(chart ? [`![${chart.alt}](${chart.file})`] : []),
].join('\n\n')}

## rxllm and its bounds

Kept: ${kept} of ${verdicts.length}.

${markdownTable({
  head: ['', 'Measured', 'Bound', ''],
  rows: verdicts.map(({ what, measured, bound, isKept }) => [
    what,
    measured,
    bound,
    isKept ? 'kept' : '**missed**',
  ]),
})}

${sections
  .map(({ title, about, tables, reading }, index) =>
    [`## ${title}`, ...tables.slice(index === 0 ? 1 : 0).map(markdownTable), reading, about]
      .filter((part) => part !== undefined)
      .join('\n\n'),
  )
  .join('\n\n')}

## How it was measured

Written by \`${command}\`; do not edit it by hand. ${factsLine(facts)}

${method}
`;
}

function terminalTable({ head, rows }: FigureTable): string {
  const table = new Table({
    head: head.map(plain),
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, index) => (index === 0 ? 'left' : 'right')),
  });
  table.push(...rows.map((row) => row.map(plain)));
  return table.toString();
}

function markdownTable({ head, rows }: FigureTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** Without the marks of Markdown. */
function plain(text: string): string {
  return text.replaceAll(/`|\*\*/g, '');
}
