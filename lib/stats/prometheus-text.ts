import type { GateName } from '../core/gates';
import type { StatsSnapshot } from './call-stats';
import type { Distribution } from './latency-histogram';

/** A source of figures: an optimizer, a `CallStats`, or a snapshot of one of them. */
export type StatsSource = StatsSnapshot | { getStats(): StatsSnapshot } | { snapshot(): StatsSnapshot };

type Labels = Readonly<Record<string, string>>;
type MetricType = 'counter' | 'gauge' | 'histogram';

const gates: readonly GateName[] = [
  'slots',
  'pause',
  'hold',
  'outage',
  'pace',
  'learned-rate',
  'budget',
  'fleet',
];

/**
 * Writes the figures in Prometheus's text format, with content type `text/plain; version=0.0.4`, for a route that
 * Prometheus scrapes. Labels have few values: priorities, gates, kinds of errors, names of limits. The text holds
 * nothing of requests or answers.
 *
 * @example
 * http.createServer((_request, response) => {
 *   response.setHeader('content-type', 'text/plain; version=0.0.4').end(prometheusText(optimizer));
 * });
 * // Several optimizers in one process: each line has a label `optimizer` with the name given here.
 * prometheusText({ chat, embeddings });
 *
 * @throws TypeError if the value is no source of figures
 */
export function prometheusText(source: StatsSource | Readonly<Record<string, StatsSource>>): string {
  const exposition = new Exposition();
  const only = snapshotOf(source);
  if (only) {
    addTo(exposition, only, {});
    return exposition.text;
  }
  for (const [name, one] of Object.entries(source as Readonly<Record<string, StatsSource>>)) {
    const snapshot = snapshotOf(one);
    if (!snapshot) {
      throw new TypeError(
        `prometheusText takes an optimizer, a CallStats, a snapshot or a record of these, but '${name}' is none.`,
      );
    }
    addTo(exposition, snapshot, { optimizer: name });
  }
  return exposition.text;
}

/** The current snapshot of a source; undefined for any other value. */
function snapshotOf(source: object): StatsSnapshot | undefined {
  if ('getStats' in source && typeof source.getStats === 'function') {
    return (source as { getStats(): StatsSnapshot }).getStats();
  }
  if ('snapshot' in source && typeof source.snapshot === 'function') {
    return (source as { snapshot(): StatsSnapshot }).snapshot();
  }
  return 'metrics' in source && 'at' in source ? (source as StatsSnapshot) : undefined;
}

/** Collects metrics. The format needs all lines of one name together. */
class Exposition {
  readonly #families = new Map<string, string[]>();

  get text(): string {
    return `${[...this.#families.values()].flat().join('\n')}\n`;
  }

  add(type: MetricType, name: string, help: string, rows: readonly (readonly [Labels, number])[]): void {
    const lines = this.#linesOf(type, name, help);
    for (const [labels, value] of rows) {
      lines.push(line(name, labels, value));
    }
  }

  addTimes(name: string, help: string, rows: readonly (readonly [Labels, Distribution])[]): void {
    const lines = this.#linesOf('histogram', name, help);
    for (const [labels, { buckets, count, sum }] of rows) {
      for (const bucket of buckets) {
        lines.push(line(`${name}_bucket`, { ...labels, le: String(bucket.upTo / 1000) }, bucket.count));
      }
      lines.push(
        line(`${name}_bucket`, { ...labels, le: '+Inf' }, count),
        line(`${name}_sum`, labels, sum / 1000),
        line(`${name}_count`, labels, count),
      );
    }
  }

  #linesOf(type: MetricType, name: string, help: string): string[] {
    let lines = this.#families.get(name);
    if (!lines) {
      lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
      this.#families.set(name, lines);
    }
    return lines;
  }
}

function line(name: string, labels: Labels, value: number): string {
  const written = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  const number = value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value);
  return `${name}${written.length > 0 ? `{${written.join(',')}}` : ''} ${number}`;
}

function escaped(text: string): string {
  return text.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`));
}

function addTo(to: Exposition, snapshot: StatsSnapshot, common: Labels): void {
  const { at, metrics, rateLimiter, cache, executor, times, outcomes, errors } = snapshot;
  const one = (value: number): [Labels, number][] => [[common, value]];
  const by = (label: string, counts: Readonly<Record<string, number>>): [Labels, number][] =>
    Object.entries(counts).map(([name, count]) => [{ ...common, [label]: name }, count]);
  const { failed, left, ...answered } = outcomes;

  to.add('counter', 'rxllm_requests_received_total', 'Requests received.', one(metrics.totalCalls));
  to.add('counter', 'rxllm_requests_total', 'Requests whose outcome is known, by where it came from.', [
    ...Object.entries(answered).map(([source, count]): [Labels, number] => [
      { ...common, outcome: 'answered', source },
      count,
    ]),
    [{ ...common, outcome: 'failed', source: '' }, failed],
    [{ ...common, outcome: 'left', source: '' }, left],
  ]);
  to.addTimes(
    'rxllm_wait_seconds',
    'Time from the arrival of a request, or the end of a back-off, to the start of its call.',
    Object.entries(times.waitByPriority).map(([priority, waits]) => [{ ...common, priority }, waits]),
  );
  to.addTimes('rxllm_call_seconds', 'Time that calls took which ran to their end.', [[common, times.call]]);
  to.addTimes('rxllm_first_chunk_seconds', 'Time from the start of a stream call to its first chunk.', [
    [common, times.firstChunk],
  ]);
  to.add(
    'gauge',
    'rxllm_queue_depth',
    'Requests that wait for their start, without those in back-off.',
    by('priority', rateLimiter.queuedByPriority),
  );
  to.add(
    'gauge',
    'rxllm_queue_oldest_age_seconds',
    'Time that the longest waiting request has waited, without those in back-off.',
    one(executor.oldestWait / 1000),
  );
  to.add('gauge', 'rxllm_in_flight', 'Calls that run.', one(executor.active));
  to.add('gauge', 'rxllm_slots', 'Calls that may run at once.', one(executor.maxConcurrent));
  to.add('gauge', 'rxllm_interval_seconds', 'Time between starts.', one(rateLimiter.currentInterval / 1000));
  to.add(
    'gauge',
    'rxllm_gate',
    'Whether a gate holds the next request.',
    gates.map((gate) => [{ ...common, gate }, Number(rateLimiter.next?.gate === gate)]),
  );
  to.add(
    'gauge',
    'rxllm_hold_seconds',
    'Time until calls may start again, while the provider lets nothing through.',
    one(Math.max(0, (rateLimiter.heldUntil ?? at) - at) / 1000),
  );
  const budgets = (figure: 'limit' | 'remaining'): [Labels, number][] =>
    rateLimiter.budgets.map(({ name, dimension, source, [figure]: value }) => [
      { ...common, name, dimension, source },
      value,
    ]);
  to.add('gauge', 'rxllm_limit', 'Requests or tokens that a limit allows in its window.', budgets('limit'));
  to.add('gauge', 'rxllm_limit_remaining', 'What is left of a limit.', budgets('remaining'));
  const { fleet } = rateLimiter;
  if (fleet) {
    to.add('gauge', 'rxllm_fleet_members', 'Processes that share the limits.', one(fleet.members));
    to.add(
      'gauge',
      'rxllm_fleet_connected',
      'Whether the server of the fleet answers; if not, the process goes on with its share.',
      one(Number(fleet.connection === 'connected')),
    );
  }
  to.add(
    'counter',
    'rxllm_calls_started_total',
    'Calls started, retries included.',
    one(metrics.startedCalls),
  );
  to.add('counter', 'rxllm_retries_total', 'Retries.', one(metrics.retriedCalls));
  to.add(
    'counter',
    'rxllm_errors_total',
    'Failed calls, and requests that failed without a call, by kind.',
    by('kind', errors),
  );
  to.add(
    'counter',
    'rxllm_tokens_total',
    'Tokens that calls reported.',
    Object.entries(snapshot.tokensByModel).flatMap(([model, tokens]) =>
      (['input', 'output'] as const).map((direction): [Labels, number] => [
        { ...common, direction, model },
        tokens[direction],
      ]),
    ),
  );
  to.add('counter', 'rxllm_cost_total', 'Money spent, in the currency of the prices.', one(metrics.spent));
  if (executor.maxSpend !== undefined) {
    to.add('gauge', 'rxllm_max_cost', 'The cost after which no call starts.', one(executor.maxSpend));
  }
  to.add('counter', 'rxllm_saved_cost_total', 'Money that the cache and sharing saved.', one(metrics.saved));
  to.add('counter', 'rxllm_saved_tokens_total', 'Tokens not used again.', one(metrics.savedTokens));
  to.add(
    'counter',
    'rxllm_cache_lookups_total',
    'Look-ups in the cache; a request that joins a running call is a miss.',
    by('result', { hit: metrics.cacheHits, miss: metrics.cacheMisses }),
  );
  to.add('gauge', 'rxllm_cache_entries', 'Answers in memory.', one(cache.size));
  to.add(
    'counter',
    'rxllm_cache_evictions_total',
    'Entries that left the cache.',
    by('reason', metrics.evictions),
  );
}
