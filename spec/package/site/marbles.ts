/** A marble diagram as a doc comment or a page draws it. */
export interface Diagram {
  /** What stands above the rows: the settings it is drawn for. */
  readonly settings: string;
  readonly rows: readonly DiagramRow[];
}

/** A row of a marble diagram: `name  -a-b-|      (note)`. */
export interface DiagramRow {
  readonly name: string;
  /** As `TestScheduler` reads them. */
  readonly marbles: string;
  /** The frame of the first marble: how far the row is indented. */
  readonly startsAt: number;
  readonly note: string;
}

/** Reads a block of code as a marble diagram: a line of settings, if any, and rows. Undefined if it is anything else. */
export function diagramIn(block: string): Diagram | undefined {
  const lines = block.trimEnd().split('\n');
  const found = lines.map((line) =>
    /^((\w+\$?(?: \w)?) {2,})([-\w()|#!]+)(?: {2,}\((.*)\)| {2,}(.*))?$/.exec(line.trimEnd()),
  );
  const settings = found[0] ? '' : lines[0]!;
  const rows = settings === '' ? found : found.slice(1);
  if (rows.length === 0 || rows.includes(null)) {
    return undefined;
  }
  const first = Math.min(...rows.map((row) => row![1]!.length));
  return {
    settings,
    rows: rows.map((row) => {
      const [, before, name, marbles, inBrackets, note] = row!;
      return {
        name: name!,
        marbles: marbles!,
        startsAt: before!.length - first,
        note: inBrackets ?? note ?? '',
      };
    }),
  };
}
