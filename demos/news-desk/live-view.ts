import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import type { CallPriority, StatsSnapshot } from '../../lib/index';
import type { Desk } from './desk';
import { report } from './report';
import type { Tally } from './tally';
import type { View } from './views';
import { duration, milliseconds, oneLine, percent, rowsOf, signed, wholeNumber } from './wording';

type Style = Parameters<typeof styleText>[0];

const columnWidth = 11;

/**
 * A picture of the run that is drawn over and over in the terminal.
 * @param title what is read, and what model is asked
 */
export function liveView(terminal: NodeJS.WriteStream, title: string): View {
  const draw = createLogUpdate(terminal);
  const paint = (style: Style, text: string): string =>
    terminal.hasColors() ? styleText(style, text) : text;
  let last = '';
  let columns = terminal.columns;

  /** A terminal that became narrower has broken the lines of the last picture; what does not fit is left behind. */
  const clearBrokenLines = (): void => {
    if (terminal.columns < columns && last !== '') {
      const lines = last.split('\n');
      const extra = rowsOf(lines, terminal.columns) - lines.length;
      draw.clear();
      terminal.moveCursor(0, -extra);
      terminal.clearScreenDown();
    }
    columns = terminal.columns;
  };

  const picture = ({ tally }: Desk, { metrics, rateLimiter, executor }: StatsSnapshot): string => {
    const width = Math.max(40, terminal.columns) - 1;
    const row = (name: string, text: string): string =>
      `${paint('dim', name.padEnd(columnWidth))}${oneLine(text, width - columnWidth)}`;
    const waiting = (['critical', 'high', 'medium', 'low'] satisfies CallPriority[])
      .map((priority) => `${priority} ${rateLimiter.queuedByPriority[priority]}`)
      .join(' · ');
    const held =
      rateLimiter.heldUntil === undefined ? '' : ` · held (${rateLimiter.holdReason ?? 'refused'})`;
    return [
      `${paint('bold', 'news desk')}  ${oneLine(title, width - 11)}`,
      progressBar(tally, width, paint),
      row(
        'pace',
        `interval ${milliseconds(rateLimiter.currentInterval)} · ${rateLimiter.callRate.toFixed(1)} calls/s · ` +
          `${executor.active} of ${executor.maxConcurrent} in flight${held}`,
      ),
      row('waiting', waiting),
      row(
        'cache',
        `${wholeNumber(metrics.cacheHits)} of ${wholeNumber(metrics.cacheHits + metrics.cacheMisses)} look-ups hit ` +
          `(${percent(metrics.cacheHitRate)}) · ${wholeNumber(metrics.sharedCalls)} shared a call`,
      ),
      row(
        'latency',
        `p50 ${milliseconds(metrics.p50Latency)} · p95 ${milliseconds(metrics.p95Latency)} · p99 ${milliseconds(metrics.p99Latency)}`,
      ),
      row(
        'calls',
        `${wholeNumber(metrics.startedCalls)} made · ${wholeNumber(metrics.retriedCalls)} of them again · ` +
          `${wholeNumber(tally.refused)} refused (429)`,
      ),
      row(
        'events',
        `${wholeNumber(tally.answered)} answered · ${wholeNumber(tally.failed)} failed · ` +
          `${wholeNumber(metrics.throttledCalls)} held by the pace so far`,
      ),
      paint('dim', `  ${'score'.padEnd(7)}${'from'.padEnd(7)}${'class'.padEnd(14)}headline`),
      ...tally.latest.map(({ sentiment, headline, storyClass, source }) => {
        const style = ({ positive: 'green', negative: 'red', neutral: 'dim' } as const)[sentiment.label];
        const start = `${source.padEnd(7)}${storyClass.padEnd(14)}`;
        return `  ${paint(style, signed(sentiment.score))}  ${start}${oneLine(headline, width - 30)}`;
      }),
    ].join('\n');
  };

  return {
    show: (desk, snapshot) => {
      clearBrokenLines();
      last = picture(desk, snapshot);
      draw(last);
    },
    note: (message) => {
      draw.clear();
      process.stderr.write(`${message}\n`);
      if (last !== '') draw(last);
    },
    finish: (figures) => {
      draw.done();
      terminal.write(`\n${report(figures)}\n`);
    },
    abandon: () => {
      draw.clear();
      draw.done();
    },
  };
}

function progressBar(tally: Tally, width: number, paint: (style: Style, text: string) => string): string {
  const { total, settled, progress, timeLeft, elapsed } = tally;
  if (total === undefined || total === 0) return `${wholeNumber(settled)} done in ${duration(elapsed)}`;
  const share = Math.min(1, settled / total);
  const times =
    timeLeft === undefined ? duration(elapsed) : `${duration(elapsed)} · ETA ${duration(timeLeft)}`;
  const text = ` ${oneLine(`${progress} · ${percent(share)} · ${times}`, width - 6)}`;
  const cells = Math.max(5, Math.min(40, width - text.length));
  const full = Math.round(cells * share);
  return `${paint('cyan', '█'.repeat(full))}${paint('dim', '░'.repeat(cells - full))}${text}`;
}
