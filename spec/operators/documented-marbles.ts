import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A marble diagram as a doc comment draws it. */
export interface Diagram {
  /** What stands above the lines: the settings it is drawn for. */
  readonly settings: string;
  /** The marbles of each line by its name. */
  readonly lines: Readonly<Record<string, string>>;
}

const source = readFileSync(join(__dirname, '../../lib/cache/result-cache-config.ts'), 'utf8');

/** The diagram in the doc comment of a field of `ResultCacheConfig`, so that a spec proves what users read. */
export function diagramOf(field: string): Diagram {
  const end = source.indexOf(`readonly ${field}?:`);
  const comment = source.slice(source.lastIndexOf('/**', end), end);
  const drawn = /```\n(.*?)\n *\* *```/s.exec(comment)![1]!;
  const rows = drawn.split('\n').map((row) => row.replace(/^ *\* ?/, '').trimEnd());
  const marbles = rows.flatMap((row) => {
    const [, name, line] = /^(\w+) {2,}([^ :]+)( {2,}.*)?$/.exec(row) ?? [];
    return name === undefined ? [] : [[name, line!] as const];
  });
  return { settings: marbles.length < rows.length ? rows[0]! : '', lines: Object.fromEntries(marbles) };
}

/** The milliseconds at which a line of single marbles shows something. */
export function momentsOf(line: string): number[] {
  return Array.from(line, (marble, time) => (/[-|]/.test(marble) ? [] : [time])).flat();
}
