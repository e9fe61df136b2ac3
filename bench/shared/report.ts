import Table from 'cli-table3';
import type { FigureTable, SectionReport, Verdict } from './section';

/** What a page says before its figures. */
export interface PageHead {
  readonly title: string;
  /** What writes the page. */
  readonly command: string;
  /** How to read it, in Markdown. */
  readonly reading: string;
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

/** A page of `docs/`. */
export function page(
  { title: name, command, reading: intro }: PageHead,
  sections: readonly SectionReport[],
  facts: RunFacts,
): string {
  const verdicts = sections.flatMap((section) => section.verdicts);
  const kept = verdicts.filter(({ isKept }) => isKept).length;
  return `# ${name}

Written by \`${command}\`; do not edit it by hand. ${factsLine(facts)}

${intro}

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
  .map(({ title, about, tables, reading }) =>
    [`## ${title}`, about, ...tables.map(markdownTable), ...(reading === undefined ? [] : [reading])].join(
      '\n\n',
    ),
  )
  .join('\n\n')}
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
