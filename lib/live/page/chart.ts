import htm from 'htm';
import { h } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { LivePoint } from '../live-state';

const html = htm.bind(h);

/** A line of a chart. */
export interface Line {
  readonly label: string;
  /** A variable of the style sheet. */
  readonly color: string;
  readonly dash?: number[];
  readonly value: (point: LivePoint) => number | undefined;
}

interface ChartProps {
  readonly label: string;
  readonly points: readonly LivePoint[];
  readonly lines: readonly Line[];
  readonly shown: (value: number) => string;
  /** Whether the axis is logarithmic, so that the largest values do not flatten the others. */
  readonly isLogarithmic?: boolean;
  readonly theme: string;
}

const height = 170;
/** Milliseconds at the bottom of a logarithmic axis. */
const floor = 1;

function dataOf({ points, lines, isLogarithmic }: ChartProps): uPlot.AlignedData {
  return [
    points.map(({ at }) => at / 1000),
    ...lines.map(({ value }) =>
      points.map((point) => {
        const found = value(point);
        return found === undefined ? null : isLogarithmic ? Math.max(floor, found) : found;
      }),
    ),
  ];
}

/** The marks of a logarithmic axis. */
function decades(most: number): number[] {
  return Array.from({ length: Math.round(Math.log10(most)) + 1 }, (_, index) => 10 ** index);
}

/** The last ten minutes, a point a second. */
export function Chart(props: ChartProps) {
  const { label, lines, shown, isLogarithmic, points, theme } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);

  useEffect(() => {
    const element = box.current!;
    const style = getComputedStyle(element);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: color('--dim'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: {
          // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the types alone have the enum of uPlot
          y: isLogarithmic
            ? {
                distr: 3,
                range: (_plot, _least, most) => [
                  floor,
                  Math.max(1000, 10 ** Math.ceil(Math.log10(most || 1))),
                ],
              }
            : { range: (_plot, _least, most) => [0, Math.max(1, (most || 0) * 1.1)] },
        },
        axes: [
          { ...axis, values: '{HH}:{mm}:{ss}', space: 90, size: 28 },
          {
            ...axis,
            size: 62,
            ...(isLogarithmic && {
              splits: (_plot: uPlot, _axis: number, _least: number, most: number) => decades(most),
            }),
            values: (_plot, values: (number | null)[]) =>
              values.map((value) => (value === null ? '' : shown(value))),
          },
        ],
        series: [
          {},
          ...lines.map(({ color: name, dash, label: title }) => ({
            label: title,
            stroke: color(name),
            width: 2,
            ...(dash && { dash }),
            points: { show: false },
            spanGaps: true,
          })),
        ],
      },
      dataOf(props),
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [theme]);

  useEffect(() => plot.current?.setData(dataOf(props)), [points]);

  const last = points.at(-1);
  return html`<figure role="img" aria-label=${label}>
    <figcaption>
      ${lines.map(({ label: title, color, value, dash }) => {
        const now = last && value(last);
        return html`<span class=${`key ${dash ? 'dashed' : ''}`} style=${{ '--key': `var(${color})` }}>
          ${title} <b>${now === undefined ? '–' : shown(now)}</b>
        </span>`;
      })}
    </figcaption>
    <div class="plot" ref=${box}></div>
  </figure>`;
}
