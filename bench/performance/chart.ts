import { chartStyle, chartText } from '../shared/chart-style';
import type { FigureTable } from '../shared/section';

// All lengths in pixels.
const labelWidth = 440;
const decadeWidth = 90;
const rowHeight = 20;
const headHeight = 44;
const margin = 12;

/** The costs of a call as SVG: a row for each contender, a dot for each backlog, on a logarithmic axis. */
export function costChart({ head, rows }: FigureTable): string {
  const columns = head.flatMap((title, index) => (title.endsWith('µs a call') ? [index] : []));
  const decades = [0.1, 1, 10, 100, 1_000, 10_000];
  const place = (microseconds: number) =>
    margin + labelWidth + decadeWidth * Math.log10(microseconds / decades[0]!);
  const width = place(decades.at(-1)!) + 4 * margin;
  const bottom = headHeight + rows.length * rowHeight;
  const parts = [
    `<rect class="page" width="${width}" height="${bottom + 2 * margin}"/>`,
    chartText(
      margin,
      16,
      'faint',
      `µs a call; dots from small to large: ${columns.map((at) => head[at]!.split(':')[0]).join(', ')} waiting`,
    ),
    ...decades.flatMap((decade) => [
      `<line class="line" x1="${place(decade)}" x2="${place(decade)}" y1="${headHeight}" y2="${bottom}"/>`,
      chartText(place(decade) - 8, headHeight - 8, 'faint', decade.toLocaleString('en')),
    ]),
    ...rows.flatMap((row, index) => {
      const y = headHeight + (index + 0.5) * rowHeight;
      const isOwn = row[0]!.startsWith('rxllm');
      const dots = columns.flatMap((column, size) => {
        const microseconds = Number(row[column]!.replaceAll(',', ''));
        const radius = 2.5 + 1.5 * size;
        return Number.isNaN(microseconds)
          ? []
          : [
              `<circle class="${isOwn ? 'own' : 'rival'}" cx="${place(microseconds).toFixed(1)}" cy="${y}" r="${radius}" fill-opacity="0.75"/>`,
            ];
      });
      return [chartText(margin, y + 4, isOwn ? 'text bold' : 'text', row[0]!.replaceAll('`', '')), ...dots];
    }),
  ];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${bottom + 2 * margin}" role="img">\n` +
    `<title>What a call costs, with more and more waiting</title>\n<style>${chartStyle}\n</style>\n` +
    `${parts.join('\n')}\n</svg>\n`
  );
}
