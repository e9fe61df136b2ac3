import htm from 'htm';
import { h, type ComponentChildren } from 'preact';
import type { LivePoint, LiveState } from '../live-state';
import { Chart, type Line } from './chart';
import { count, moment, money, percent, rate, time } from './format';

const html = htm.bind(h);

interface View {
  readonly state: LiveState;
  readonly points: readonly LivePoint[];
  readonly theme: string;
}

function Section({ title, area, children }: { title: string; area: string; children?: ComponentChildren }) {
  return html`<section aria-labelledby=${area} class=${area} tabindex="-1">
    <h2 id=${area}>${title}</h2>
    ${children}
  </section>`;
}

function Figure({ name, value, tone }: { name: string; value: string; tone?: string }) {
  return html`<div class=${`figure ${tone ?? ''}`}>
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`;
}

const flow: readonly Line[] = [
  { label: 'In per second', color: '--in', value: ({ received }) => received },
  { label: 'Out per second', color: '--out', value: ({ settled }) => settled },
  { label: 'Failed', color: '--bad', value: ({ failed }) => failed },
];

const times: readonly Line[] = [
  { label: 'Call p95', color: '--bad', value: ({ callP95 }) => callP95 },
  { label: 'Call p50', color: '--out', value: ({ callP50 }) => callP50 },
  { label: 'Queue wait p95', color: '--in', dash: [6, 4], value: ({ waitP95 }) => waitP95 },
];

export function VerdictBanner({ state: { verdict, snapshot } }: View) {
  const { tone, text, until, advice } = verdict;
  const left = until === undefined ? 0 : until - snapshot.at;
  return html`<section class=${`verdict ${tone}`} role="status" aria-label="What holds the next request">
    <p class="text">
      ${text}${left > 500 && html` <span class="until">Until ${moment(until!, left)} (${time(left)}).</span>`}
    </p>
    <p class="advice">${advice}</p>
  </section>`;
}

export function Flow({ state: { snapshot }, points, theme }: View) {
  const { executor, metrics } = snapshot;
  return html`<${Section} title="In and out" area="flow">
    <dl class="figures">
      <${Figure} name="Requests" value=${count(metrics.totalCalls)} />
      <${Figure} name="Waiting" value=${count(executor.queued)} />
      <${Figure}
        name="Oldest that may start"
        value=${executor.oldestWait > 0 ? time(executor.oldestWait) : '–'}
        tone=${executor.oldestWait > 30_000 ? 'warning' : ''}
      />
    </dl>
    <${Chart}
      label="Requests in, out and failed per second"
      points=${points}
      lines=${flow}
      shown=${rate}
      theme=${theme}
    />
  <//>`;
}

const priorities = ['critical', 'high', 'medium', 'low'] as const;

export function Waits({ state: { snapshot, lanes } }: View) {
  const { queuedByPriority } = snapshot.rateLimiter;
  const most = Math.max(1, ...Object.values(queuedByPriority));
  return html`<${Section} title="Waits" area="waits">
    <table>
      <thead>
        <tr>
          <th scope="col">Priority</th>
          <th scope="col">Waiting</th>
          <th>p50</th>
          <th>p95</th>
          <th>p99</th>
        </tr>
      </thead>
      <tbody>
        ${priorities.map((priority) => {
          const { p50, p95, p99, count: starts } = snapshot.times.waitByPriority[priority];
          const waiting = queuedByPriority[priority];
          return html`<tr>
            <th scope="row">${priority}</th>
            <td class="barred" style=${{ '--share': waiting / most }}>${count(waiting)}</td>
            ${[p50, p95, p99].map((value) => html`<td>${starts > 0 ? time(value) : '–'}</td>`)}
          </tr>`;
        })}
      </tbody>
    </table>
    ${
      lanes.length > 0 &&
      html`<table>
        <thead>
          <tr>
            <th scope="col">Lane</th>
            <th scope="col">Waiting</th>
            <th>Started</th>
            <th>Mean wait</th>
          </tr>
        </thead>
        <tbody>
          ${[...lanes]
            .sort((one, other) => other.waiting - one.waiting || other.started - one.started)
            .slice(0, 10)
            .map(
              ({ lane, waiting, started, meanWait }) =>
                html`<tr>
                  <th scope="row">${lane}</th>
                  <td>${count(waiting)}</td>
                  <td>${count(started)}</td>
                  <td>${time(meanWait)}</td>
                </tr>`,
            )}
        </tbody>
      </table>`
    }
  <//>`;
}

export function Budgets({ state: { snapshot } }: View) {
  const { budgets, learnedRate, refusalCause } = snapshot.rateLimiter;
  return html`<${Section} title="Budgets" area="budgets">
    ${
      budgets.length === 0 &&
      html`<p class="empty">
        ${
          learnedRate === undefined
            ? 'No limit is known: none was given, and no answer has stated one.'
            : `No limit is stated; refusals taught about ${rate(learnedRate)} calls a second${refusalCause ? ` (${refusalCause})` : ''}.`
        }
      </p>`
    }
    ${budgets.map(
      ({ name, dimension, source, limit, window, remaining, inFlight, fullAt, foreignPerMinute }) => {
        const used = Math.min(limit, Math.max(0, limit - remaining));
        const open = Math.min(used, inFlight);
        const full = fullAt - snapshot.at;
        return html`<div class="budget">
          <p>
            <b>${name}</b> ${count(Math.max(0, remaining))} of ${count(limit)}
            ${name.includes(dimension) ? '' : dimension} left in ${time(window)}
          </p>
          <div
            class="bar"
            role="meter"
            aria-label=${name}
            aria-valuemin="0"
            aria-valuemax=${limit}
            aria-valuenow=${Math.round(limit - Math.max(0, remaining))}
          >
            <span class="used" style=${{ width: `${((used - open) / limit) * 100}%` }}></span
            ><span class="open" style=${{ width: `${(open / limit) * 100}%` }}></span>
          </div>
          <p class="note">
            ${[
              `${count(used)} used`,
              `${count(inFlight)} in flight`,
              full > 1000 ? `all there again in ${time(full)}` : 'all there',
              source === 'given' ? 'given by you' : 'stated by the provider',
              ...(foreignPerMinute >= 1 ? [`others take ${count(foreignPerMinute)} a minute`] : []),
            ].join(', ')}
          </p>
        </div>`;
      },
    )}
  <//>`;
}

export function Slots({ state: { snapshot } }: View) {
  const { executor, rateLimiter, metrics } = snapshot;
  const slots = executor.maxConcurrent as number | null;
  const bound = Math.min(slots ?? Infinity, rateLimiter.maxRunning ?? Infinity);
  const share = bound === Infinity ? 0 : Math.min(1, executor.active / bound);
  return html`<${Section} title="Running" area="slots">
    <p>
      <b>${count(executor.active)}</b> of ${count(slots)} slots
      taken${
        rateLimiter.maxRunning !== undefined &&
        `; refusals taught that ${count(rateLimiter.maxRunning)} may run at once`
      }
    </p>
    <div class="bar" role="meter" aria-label="Slots taken" aria-valuenow=${executor.active}>
      <span class="open" style=${{ width: `${share * 100}%` }}></span>
    </div>
    <dl class="figures">
      <${Figure} name="Starts per second" value=${rate(rateLimiter.callRate)} />
      <${Figure} name="Interval" value=${time(rateLimiter.currentInterval)} />
      <${Figure} name="Retried" value=${count(metrics.retriedCalls)} />
    </dl>
    ${
      rateLimiter.fleet &&
      html`<p class="note fleet">
        Fleet of ${count(rateLimiter.fleet.members)},
        ${
          rateLimiter.fleet.connection === 'bypassed'
            ? `its server is slow or gone: this process goes on with ${percent(rateLimiter.fleet.ownShare)} of the limits`
            : rateLimiter.fleet.connection
        }
      </p>`
    }
  <//>`;
}

export function Savings({ state: { snapshot, currency } }: View) {
  const { metrics, cache } = snapshot;
  const { cacheHits, sharedCalls, cacheMisses } = metrics;
  const asked = Math.max(1, cacheHits + cacheMisses);
  const calls = Math.max(0, cacheMisses - sharedCalls);
  return html`<${Section} title="Hits, joins and money" area="savings">
    <div
      class="bar"
      role="img"
      aria-label=${`${cacheHits} hits, ${sharedCalls} joined calls, ${calls} calls`}
    >
      <span class="hit" style=${{ width: `${(cacheHits / asked) * 100}%` }}></span
      ><span class="join" style=${{ width: `${(sharedCalls / asked) * 100}%` }}></span
      ><span class="call" style=${{ width: `${(calls / asked) * 100}%` }}></span>
    </div>
    <p class="note">
      <span class="key" style=${{ '--key': 'var(--out)' }}
        >${count(cacheHits)} hits (${percent(metrics.cacheHitRate)})</span
      >
      <span class="key" style=${{ '--key': 'var(--in)' }}>${count(sharedCalls)} joined a call</span>
      <span class="key" style=${{ '--key': 'var(--line)' }}>${count(calls)} calls</span>
    </p>
    <dl class="figures">
      <${Figure} name="Spent" value=${money(metrics.spent, currency)} />
      <${Figure} name="Saved" value=${money(metrics.saved, currency)} />
      <${Figure} name="Tokens saved" value=${count(metrics.savedTokens)} />
      <${Figure} name="Answers kept" value=${`${count(cache.size)} of ${count(cache.maxSize)}`} />
    </dl>
  <//>`;
}

export function Times({ state: { snapshot }, points, theme }: View) {
  const rows = [
    ['Call', snapshot.times.call],
    ...(snapshot.times.firstChunk.count > 0 ? [['First chunk', snapshot.times.firstChunk] as const] : []),
    ['Queue wait', snapshot.times.wait],
  ] as const;
  return html`<${Section} title="Latency and queue wait" area="times">
    <${Chart}
      label="Latency of calls and queue wait, logarithmic"
      points=${points}
      lines=${times}
      shown=${time}
      isLogarithmic=${true}
      theme=${theme}
    />
    <table>
      <thead>
        <tr>
          <th scope="col">Since the start</th>
          <th>p50</th>
          <th>p95</th>
          <th>p99</th>
          <th>Measured</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([name, { p50, p95, p99, count: measured }]) =>
            html`<tr>
              <th scope="row">${name}</th>
              ${[p50, p95, p99].map((value) => html`<td>${measured > 0 ? time(value) : '–'}</td>`)}
              <td>${count(measured)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  <//>`;
}

export function Errors({ state: { errors } }: View) {
  return html`<${Section} title="Errors" area="errors">
    ${
      errors.length === 0
        ? html`<p class="empty">None.</p>`
        : html`<table>
            <thead>
              <tr>
                <th scope="col">Kind</th>
                <th>Last minute</th>
                <th>In all</th>
                <th class="text">What to do</th>
              </tr>
            </thead>
            <tbody>
              ${errors.map(
                ({ kind, count: all, recent, hint }) =>
                  html`<tr class=${recent > 0 ? 'recent' : ''}>
                    <th scope="row">${kind}</th>
                    <td data-name="last minute">${count(recent)}</td>
                    <td data-name="in all">${count(all)}</td>
                    <td class="text">${hint}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  <//>`;
}
