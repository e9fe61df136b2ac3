import { chartStyle, chartText } from '../shared/chart-style';
import { shownCell, type Overview, type OverviewCell } from './overview';

/** Ratios above are cut: what takes five times as long as it has to is no choice, whether it is five or fifty. */
const longest = 5;

// All lengths in pixels.
const labelWidth = 116;
const panelWidth = 88;
const barWidth = 75;
const barHeight = 5;
const rowHeight = 25;
const lineHeight = 13;
const headLines = 4;
const headHeight = 16 + headLines * lineHeight;
const margin = 12;

/** A chart as SVG: a row for each shape, a column of bars for each client; shorter is better. */
export function chart({ columns, rows }: Overview): string {
  const width = 2 * margin + labelWidth + columns.length * panelWidth;
  const bottom = headHeight + rows.length * rowHeight;
  const height = bottom + 2 * lineHeight + margin;
  const parts = [
    `<rect class="page" width="${width}" height="${height}"/>`,
    ...columns.flatMap(({ title, isOwn }, index) => head(title, isOwn, leftOf(index), bottom)),
    ...rows.flatMap(({ name, cells }, row) => {
      const top = headHeight + row * rowHeight;
      return [
        `<line class="line" x1="${margin}" x2="${width - margin}" y1="${top}" y2="${top}"/>`,
        chartText(margin, top + 16, 'text', name),
        ...cells.flatMap((cell, index) => bar(cell, columns[index]!.isOwn, leftOf(index), top)),
      ];
    }),
    chartText(
      margin,
      bottom + 2 * lineHeight,
      'faint',
      'Finishing time ÷ that of an oracle which knows the provider, from 0 to 5; the upright line is 1. ' +
        'Longer bars are cut. Hollow: the client lost requests.',
    ),
  ];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" role="img">\n` +
    `<title>How long each client takes, next to an oracle</title>\n<style>${chartStyle}\n</style>\n` +
    `${parts.join('\n')}\n</svg>\n`
  );
}

function leftOf(index: number): number {
  return margin + labelWidth + index * panelWidth;
}

/** The name of a client above its column, and the line at which the oracle is. */
function head(title: string, isOwn: boolean, left: number, bottom: number): string[] {
  const lines = wrapped(title);
  const oracle = left + barWidth / longest;
  return [
    ...lines.map((words, index) =>
      chartText(
        left,
        headHeight - 8 - (lines.length - 1 - index) * lineHeight,
        isOwn ? 'text bold' : 'text',
        words,
      ),
    ),
    `<line class="oracle" x1="${oracle}" x2="${oracle}" y1="${headHeight}" y2="${bottom}"/>`,
  ];
}

function bar(cell: OverviewCell | undefined, isOwn: boolean, left: number, top: number): string[] {
  const shown = shownCell(cell);
  if (!cell) return [chartText(left + 20, top + 14, 'faint', shown)];
  const isLost = cell.lost > 0;
  const length = Math.max(1, (Math.min(cell.ratio, longest) / longest) * barWidth);
  const y = top + rowHeight - barHeight - 3;
  // Beside the oracle's line, which it would else stand on.
  const figure = chartText(
    left + 20,
    top + 14,
    isLost ? 'lost' : isOwn ? 'text bold' : 'text',
    !isLost && cell.ratio > longest ? `${shown} ›` : shown,
  );
  const shape = isLost
    ? `<rect class="cut" x="${left + 0.5}" y="${y + 0.5}" width="${fixed(Math.max(1, length - 1))}" height="${barHeight - 1}"/>`
    : `<rect class="${isOwn ? 'own' : 'rival'}" x="${left}" y="${y}" width="${fixed(length)}" height="${barHeight}"/>`;
  return [shape, figure];
}

/** Lines of at most some letters, broken between words. */
function wrapped(title: string): string[] {
  const most = 12;
  const lines: string[] = [];
  for (const word of title.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= most)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function fixed(length: number): string {
  return length.toFixed(1);
}
