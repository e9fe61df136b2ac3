import Table from 'cli-table3';
import type { FinalFigures } from './figures';
import type { PlainFigures } from './plain-client';
import { counted, dollars, duration, percent, wholeNumber, wrapped } from './wording';

const noteWidth = 78;

type Row = readonly [figure: string, ours: string, plain: string];

/** The final table, what the official client alone made of the same events, and notes. It fits a terminal of 24 lines. */
export function report(figures: FinalFigures): string {
  const { plain } = figures;
  const table = new Table({
    head: ['', 'rxllm', ...(plain ? ['openai SDK alone'] : [])],
    colAligns: ['left', 'right', 'right'],
    // Colours of its own would ignore NO_COLOR.
    style: { head: [], border: [], compact: true },
  });
  table.push(...rowsOf(figures).map((row) => (plain ? [...row] : row.slice(0, 2))));
  return [table.toString(), ...notes(figures).map((note) => wrapped(note, noteWidth))].join('\n');
}

function rowsOf(figures: FinalFigures): Row[] {
  const { events, answered, failed, stopped, calls, cacheHits, shared, latency, saved, plain } = figures;
  const { firstToken } = figures;
  const money = (spent: number | undefined): string => (spent === undefined ? 'unknown' : dollars(spent));
  const beside = (...parts: number[]): string => parts.map(wholeNumber).join(' / ');
  const row = (figure: string, ours: string, ofPlain: (theirs: PlainFigures) => string = () => ''): Row => [
    figure,
    ours,
    plain === undefined ? '' : ofPlain(plain),
  ];
  const ofEvents = (count: number): string => `${wholeNumber(count)} of ${wholeNumber(events)}`;
  return [
    row('events answered', ofEvents(answered), (theirs) => ofEvents(theirs.answered)),
    row('events failed', wholeNumber(failed), (theirs) => wholeNumber(theirs.failed)),
    ...(stopped + (plain?.unanswered ?? 0) > 0
      ? [row('events unanswered', wholeNumber(stopped), (theirs) => wholeNumber(theirs.unanswered))]
      : []),
    row('calls made / made again', beside(calls, figures.retried), (theirs) => wholeNumber(theirs.calls)),
    row('calls refused (429)', wholeNumber(figures.refused), (theirs) => wholeNumber(theirs.refused)),
    row('events held by the pace', wholeNumber(figures.throttled)),
    row('answered by cache / shared', `${beside(cacheHits, shared)}${shareOf(cacheHits + shared, events)}`),
    row('tokens in / out', beside(figures.inputTokens, figures.outputTokens), (theirs) =>
      beside(theirs.inputTokens, theirs.outputTokens),
    ),
    row('money spent', money(figures.spent), (theirs) => money(theirs.spent)),
    row('saved: tokens / money', `${wholeNumber(saved.tokens)} / ${money(saved.money)}`),
    row('time', duration(figures.duration), (theirs) => duration(theirs.duration)),
    firstToken
      ? row('ms to first token / end: p50', beside(firstToken.p50, latency.p50))
      : row('ms a call: p50 / p95 / p99', calls === 0 ? '-' : beside(latency.p50, latency.p95, latency.p99)),
  ];
}

function shareOf(count: number, events: number): string {
  return events === 0 ? '' : ` (${percent(count / events)})`;
}

function notes({ model, price, plain, labels, maxConcurrent, skipped }: FinalFigures): string[] {
  const lines = [
    `Labels: ${Object.entries(labels)
      .map(([label, count]) => `${wholeNumber(count)} ${label}`)
      .join(', ')}.`,
  ];
  if (skipped.length > 0) {
    const pieces = skipped.reduce((sum, { count }) => sum + count, 0);
    const kinds = skipped
      .slice(0, 2)
      .map(
        ({ place, problem, count }) => `${place} ${problem}${count > 1 ? ` (and ${count - 1} like it)` : ''}`,
      );
    const rest = skipped.length > kinds.length ? ', and others' : '';
    lines.push(`Skipped: ${counted(pieces, 'broken piece')} of input: ${kinds.join(', ')}${rest}.`);
  }
  lines.push(
    price === undefined
      ? `Money: no price is known for ${model}; demos/news-desk/prices.ts holds those that are.`
      : `Money: at ${dollars(price.input)} / ${dollars(price.output)} a million tokens in / out, assumed for ${model}.`,
  );
  if (plain !== undefined) {
    lines.push(
      `openai SDK alone: on the same events beside rxllm, ${maxConcurrent} calls at once, with its own two ` +
        'retries and a server of the same limits, until rxllm was done.',
    );
  }
  return lines;
}
