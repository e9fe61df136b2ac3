/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { spawnSync } from 'node:child_process';
import { from, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { CallStats, LLMCallOptimizer, prometheusText, type StatsSource } from '../../lib/index';
import { SimulatedProvider } from '../../lib/testing';

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
if (!hasPromtool) {
  console.warn('NOT TESTED: there is no promtool here. `apt-get install prometheus` makes this spec run.');
}

/** What Prometheus's own tool finds wrong. */
function problemsOf(text: string): string {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text });
  return status === 0 ? '' : `${String(stdout)}${String(stderr)}`;
}

/** An optimizer in the midst of refusals, with a budget, money, waiting and running calls. */
function busy(): { optimizer: LLMCallOptimizer; text: string } {
  let text = '';
  let optimizer!: LLMCallOptimizer;
  new TestScheduler(() => undefined).run(({ flush }) => {
    const provider = new SimulatedProvider<string>({ limits: [{ of: 'requests', limit: 60, depth: 3 }] });
    const refusing = new SimulatedProvider<string>({ refuse: () => true });
    optimizer = new LLMCallOptimizer({
      maxConcurrent: 5,
      prices: { '*': { input: 1, output: 2 } },
      maxSpend: 100,
    });
    from(['a', 'a', 'b', 'c', 'd', 'e', 'f', 'g'])
      .pipe(
        optimizer.optimize((story, context) => (story === 'b' ? refusing : provider).call(story, context)),
      )
      .subscribe();
    timer(4000).subscribe(() => {
      text = prometheusText(optimizer);
      optimizer.close();
    });
    flush();
  });
  return { optimizer, text };
}

const valueOf = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((row) => row.startsWith(`${series} `))
      ?.slice(series.length),
  );

describe('prometheusText', () => {
  const { optimizer, text } = busy();
  const sources: [string, () => StatsSource | Readonly<Record<string, StatsSource>>][] = [
    ['an optimizer that has done nothing', () => new LLMCallOptimizer()],
    ['one without a limit on slots', () => new LLMCallOptimizer({ maxConcurrent: Infinity })],
    ['statistics', () => new CallStats()],
    ['a snapshot', () => optimizer.getStats()],
    ['several', () => ({ 'with "quotes"\nand \\': optimizer, other: new CallStats() })],
    ['none', () => ({})],
  ];

  (hasPromtool ? it : it.skip).each([['a busy optimizer', () => text] as const])(
    'is what Prometheus reads, of %s',
    (_name, written) => {
      expect(problemsOf(written())).toBe('');
      expect(problemsOf(`${written()}this is nothing\n`)).not.toBe('');
    },
  );

  (hasPromtool ? it : it.skip).each(sources)('is what Prometheus reads, of %s', (_name, source) => {
    expect(problemsOf(prometheusText(source()))).toBe('');
  });

  it('has the figures of the snapshot', () => {
    expect(valueOf(text, 'rxllm_requests_received_total')).toBe(8);
    expect(valueOf(text, 'rxllm_requests_total{outcome="answered",source="shared"}')).toBe(1);
    expect(valueOf(text, 'rxllm_wait_seconds_bucket{priority="medium",le="+Inf"}')).toBe(
      valueOf(text, 'rxllm_calls_started_total'),
    );
    expect(valueOf(text, 'rxllm_errors_total{kind="rate-limited"}')).toBeGreaterThan(0);
    expect(valueOf(text, 'rxllm_limit{name="requests",dimension="requests",source="stated"}')).toBe(60);
    expect(valueOf(text, 'rxllm_slots')).toBe(5);
    expect(valueOf(text, 'rxllm_max_cost')).toBe(100);
    expect(prometheusText(new LLMCallOptimizer())).not.toContain('rxllm_max_cost');
  });

  it('says of the gates which one it is', () => {
    const closed = text.match(/^rxllm_gate\{gate=".*"\} 1$/gm) ?? [];
    expect(closed.length).toBeLessThanOrEqual(1);
    expect(text.match(/^rxllm_gate/gm)).toHaveLength(8);
  });

  it('tells several apart, with one head for each metric', () => {
    const several = prometheusText({ chat: optimizer, embeddings: new CallStats() });
    expect(several.match(/^# TYPE rxllm_in_flight /gm)).toHaveLength(1);
    expect(valueOf(several, 'rxllm_requests_received_total{optimizer="chat"}')).toBe(8);
    expect(valueOf(several, 'rxllm_requests_received_total{optimizer="embeddings"}')).toBe(0);
  });

  it('has nothing of requests in it, but labels that are few', () => {
    const values = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!] as const);
    const names = new Set(values.map(([name]) => name));
    expect([...names].sort()).toEqual([
      'dimension',
      'direction',
      'gate',
      'kind',
      'le',
      'model',
      'name',
      'outcome',
      'priority',
      'reason',
      'result',
      'source',
    ]);
  });

  it('tells of a fleet if there is one', () => {
    const snapshot = optimizer.getStats();
    const fleet = { connection: 'bypassed', members: 4, ownShare: 0.25, roundTripsPerStart: 0.1 } as const;
    const told = prometheusText({ ...snapshot, rateLimiter: { ...snapshot.rateLimiter, fleet } });
    expect(valueOf(told, 'rxllm_fleet_members')).toBe(4);
    expect(valueOf(told, 'rxllm_fleet_connected')).toBe(0);
    expect(text).not.toContain('fleet_members');
  });

  it('refuses what has no figures', () => {
    expect(() => prometheusText({ chat: {} as unknown as StatsSource })).toThrow(/'chat' is none/);
  });
});
