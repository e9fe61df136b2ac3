import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { diagramIn, type DiagramRow } from '../package/site/marbles';

/** A marble diagram of a doc comment, so that a spec proves what users read. */
export interface DocumentedMarbles {
  readonly settings: string;
  readonly rows: Readonly<Record<string, DiagramRow>>;
  /** The marbles of each row by its name. */
  readonly lines: Readonly<Record<string, string>>;
}

/** The diagram in the doc comment above a declaration in a file of `lib/`. */
export function diagramAbove(file: string, declaration: string): DocumentedMarbles {
  const source = readFileSync(join(__dirname, '../../lib', file), 'utf8');
  const end = source.indexOf(declaration);
  const comment = source.slice(source.lastIndexOf('/**', end), end);
  const block = /```\n(.*?)\n *\* *```/s.exec(comment)![1]!.replace(/^ *\* ?/gm, '');
  const { settings, rows } = diagramIn(block)!;
  return {
    settings,
    rows: Object.fromEntries(rows.map((row) => [row.name, row])),
    lines: Object.fromEntries(rows.map(({ name, marbles }) => [name, marbles])),
  };
}

/** The diagram in the doc comment of a field of `ResultCacheConfig`. */
export const diagramOf = (field: string): DocumentedMarbles =>
  diagramAbove('cache/result-cache-config.ts', `readonly ${field}?:`);

/** The milliseconds at which a line of single marbles shows something. */
export function momentsOf(line: string): number[] {
  return Array.from(line, (marble, time) => (/[-|]/.test(marble) ? [] : [time])).flat();
}

/** The subscription to a row that completes, as marbles: from its first frame to its end. */
export function subscriptionTo({ marbles, startsAt }: DiagramRow): string {
  return `${'-'.repeat(startsAt)}^${'-'.repeat(marbles.search(/\(\w+\||\|/) - 1)}!`;
}
