import Table from 'cli-table3';
import type { FinalFigures, NaiveFigures } from './figures';
import { counted, dollars, duration, milliseconds, percent, wholeNumber, wrapped } from './wording';

const noteWidth = 78;

/** The final table, what the same input costs the naive way, and what the comparison rests on. */
export function report(figures: FinalFigures): string {
  const { naive } = figures;
  const refusals = naive?.refusals;
  const unknown = naive === undefined ? '' : 'unknown';
  const money = (spent: number | undefined): string => (spent === undefined ? 'unknown' : dollars(spent));
  const latency = (value: number): string => (figures.calls === 0 ? '-' : milliseconds(value));
  const rows: [figure: string, ours: string, naive: string][] = [
    ['events', wholeNumber(figures.events), naive ? wholeNumber(figures.answered + figures.failed) : ''],
    ['answered', wholeNumber(figures.answered), naive ? wholeNumber(figures.answered + figures.failed) : ''],
    ['failed', wholeNumber(figures.failed), naive ? '0' : ''],
    ...(figures.stopped === 0
      ? []
      : [['not answered: stopped', wholeNumber(figures.stopped), ''] satisfies [string, string, string]]),
    ['calls made', wholeNumber(figures.calls), naive ? callsNaively(figures) : ''],
    [
      'refused by the endpoint (429)',
      wholeNumber(figures.refused),
      refusals ? wholeNumber(refusals.refused) : unknown,
    ],
    ['answered by the cache', wholeNumber(figures.cacheHits), naive ? '0' : ''],
    ['answered by a shared call', wholeNumber(figures.shared), naive ? '0' : ''],
    ['answered without a call of its own', withoutCall(figures), naive ? '0' : ''],
    ['cache hit rate', percent(figures.cacheHitRate), ''],
    ['tokens in', wholeNumber(figures.inputTokens), naive ? wholeNumber(naive.inputTokens) : ''],
    ['tokens out', wholeNumber(figures.outputTokens), naive ? wholeNumber(naive.outputTokens) : ''],
    ['money spent', money(figures.spent), naive ? money(naive.spent) : ''],
    ['tokens saved', wholeNumber(figures.saved.tokens), ''],
    ['money saved', money(figures.saved.money), ''],
    ['waiting for answers saved', duration(figures.saved.latency), ''],
    ['time', duration(figures.duration), refusals ? duration(refusals.duration) : unknown],
    ['latency, mean', latency(figures.latency.mean), ''],
    ['latency, p50 / p95 / p99', percentiles(figures), ''],
    ['throttled', wholeNumber(figures.throttled), naive ? '0' : ''],
    ['retried', wholeNumber(figures.retried), ''],
  ];
  const table = new Table({
    head: ['', 'rxllm', ...(naive ? ['the naive way'] : [])],
    colAligns: ['left', 'right', 'right'],
    // Colours of its own would ignore NO_COLOR.
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => (naive ? row : row.slice(0, 2))));
  return [table.toString(), ...notes(figures).map((note) => wrapped(note, noteWidth))].join('\n');
}

function withoutCall({ cacheHits, shared, events }: FinalFigures): string {
  const both = cacheHits + shared;
  return events === 0 ? '0' : `${wholeNumber(both)} (${percent(both / events)})`;
}

function callsNaively({ naive }: FinalFigures): string {
  const calls = wholeNumber(naive?.calls ?? 0);
  return naive?.refusals === undefined ? `${calls} or more` : calls;
}

function percentiles({ calls, latency }: FinalFigures): string {
  if (calls === 0) return '-';
  return `${wholeNumber(latency.p50)} / ${milliseconds(latency.p95)} / ${milliseconds(latency.p99)}`.replace(
    / ms(?= \/)/,
    '',
  );
}

function notes({ model, price, naive, labels, maxConcurrent, brokenInput }: FinalFigures): string[] {
  const lines = [
    `Labels: ${Object.entries(labels)
      .map(([label, count]) => `${wholeNumber(count)} ${label}`)
      .join(', ')}.`,
  ];
  if (brokenInput > 0) lines.push(`Skipped: ${counted(brokenInput, 'broken piece')} of input.`);
  lines.push(
    price === undefined
      ? `Money: no price is known for ${model}; demos/news-desk/prices.ts holds those that are.`
      : `Money: at ${dollars(price.input)} and ${dollars(price.output)} for a million tokens in and out, assumed for ${model}.`,
  );
  if (naive !== undefined) {
    lines.push(
      `The naive way: one call for each event, ${maxConcurrent} at a time, no pace, no cache, each refused call made ` +
        'again after the wait that the refusal names; played through on the arrival times, latencies and tokens ' +
        'of this run, ' +
        (naive.refusals === undefined
          ? 'as far as it goes: the endpoint states no limits, so how many calls it would refuse is unknown.'
          : 'against the limits that the endpoint stated in its headers.') +
        afterTwoRetries(naive),
    );
  }
  return lines;
}

function afterTwoRetries({ unansweredAfterTwoRetries = 0 }: NaiveFigures): string {
  return unansweredAfterTwoRetries === 0
    ? ''
    : ` With no more than the two retries of the official client, ` +
        `${counted(unansweredAfterTwoRetries, 'event')} would stay unanswered.`;
}
