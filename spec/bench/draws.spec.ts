import { interval, take } from 'rxjs';
import { plain } from '../../bench/limits/clients/plain';
import { HeapScheduler } from '../../bench/limits/heap-scheduler';
import { oracleOf } from '../../bench/limits/oracle';
import { drawOf } from '../../bench/limits/random/draw';
import { runDraws } from '../../bench/limits/random/run-draws';
import type { Shape } from '../../bench/limits/shape';
import { streamRun } from '../../bench/limits/stream-run';
import { WatchedProvider } from '../../bench/limits/watched-provider';
import { seededRandom } from '../../demos/model-server/random';
import type { SimulatedProviderError } from '../../lib/testing';
import { rethrow } from '../test-scheduler';

const indices = Array.from({ length: 60 }, (_, index) => index);

/** All of a draw that is no function. */
function dataOf(seed: number, index: number): string {
  const { shape, description, says } = drawOf(seed, index);
  const { limits, latency, neighbours, seed: chance } = shape.provider;
  return JSON.stringify([description, says, limits, latency, neighbours, chance, shape.arrivals]);
}

describe('the draws of the limits bench', () => {
  it('depend on the seed and the index alone', () => {
    expect(dataOf(7, 3)).toBe(dataOf(7, 3));
    expect(new Set([dataOf(7, 3), dataOf(7, 4), dataOf(8, 3)]).size).toBe(3);
  });

  it('are all different, ask nothing twice, and of at most 3,000 requests', () => {
    const shapes = indices.map((index) => drawOf(1, index).shape);
    expect(new Set(indices.map((index) => dataOf(1, index))).size).toBe(indices.length);
    for (const { requests, arrivals } of shapes) {
      expect(requests.length).toBeLessThanOrEqual(3_000);
      expect(new Set(requests.map(({ prompt }) => prompt)).size).toBe(requests.length);
      expect(arrivals?.length ?? requests.length).toBe(requests.length);
    }
  });

  it('keep an oracle busy for about one to five minutes', () => {
    const minutes = indices
      .map((index) => oracleOf(drawOf(1, index).shape).finished / 60_000)
      .sort((one, other) => one - other);
    expect(minutes[0]).toBeGreaterThan(0.5);
    expect(minutes[30]).toBeGreaterThan(1);
    expect(minutes.at(-1)).toBeLessThan(12);
  });

  it('are of every kind', () => {
    const kinds = new Set(
      Array.from({ length: 200 }, (_, index) => index).flatMap((index) => drawOf(1, index).kinds),
    );
    expect(kinds.size).toBe(20);
  });

  it('give the same figures again', () => {
    const [one, other] = [runDraws(1, [5], [plain]), runDraws(1, [4, 5], [plain]).slice(1)].map(
      (reports) => ({
        ...reports[0]!.figures.get('plain')!,
        wall: 0,
      }),
    );
    expect(one).toEqual(other);
  });
});

describe('a run of streams', () => {
  /** Ten requests, a second apart; the fourth is always refused, and two at once are too many. */
  const requests = Array.from({ length: 10 }, (_, index) => ({ prompt: `${index}`, max_tokens: 1 }));
  const shape: Shape = {
    name: 'small',
    title: 'small',
    provider: { latency: { base: 1_500, perOutputToken: 0, refusal: 100 } },
    requests,
    arrivals: requests.map((_, index) => 1_000 * index),
    otherReasons: { atOnce: 1, never: new Set(['3']) },
  };

  it('counts what was refused for which reason, and is over when all is answered that ever will be', () => {
    const figures = streamRun(plain, shape, { headers: 'none', retryAfter: 'none' });
    expect(figures).toMatchObject({ requests: 10, answered: 9, lost: 0, failed: 0 });
    expect(figures.stopped).toBeUndefined();
    expect(figures.finished).toBeGreaterThanOrEqual(9 * 1_500);
    expect(figures.finished).toBeLessThan(9 * 1_850);
    expect(figures.avoidable).toBeGreaterThan(0);
    expect(figures.refused).toBeGreaterThan(figures.avoidable);
  });

  it('is stopped when its patience ends, and says what was lost', () => {
    const figures = streamRun(plain, shape, { headers: 'none', retryAfter: 'none' }, { patience: 5_000 });
    expect(figures).toMatchObject({ stopped: 'after 0.0 h', finished: 5_000, lost: 9 - figures.answered });
  });

  it('halves hints where they are said to be short', () => {
    const limited: Shape = {
      name: 'limited',
      title: 'limited',
      provider: { limits: [{ of: 'requests', limit: 60, depth: 1 }], refusedCallsCount: false },
      requests,
      hints: 'short',
    };
    const scheduler = new HeapScheduler();
    const provider = new WatchedProvider(limited, { headers: 'none', retryAfter: 'milliseconds' }, scheduler);
    const hints: unknown[] = [];
    for (const request of requests.slice(0, 2)) {
      provider.call(request).subscribe({
        error: (error: unknown) => hints.push((error as SimulatedProviderError).headers['retry-after-ms']),
      });
    }
    scheduler.runUntil(1_000, () => false);
    expect(hints).toEqual(['500']);
  });
});

describe('the heap scheduler', () => {
  it('runs what is due by time, then in the order it was scheduled, and nothing that was cancelled', () => {
    const scheduler = new HeapScheduler();
    const ran: string[] = [];
    const note = (name: string) => () => void ran.push(`${name} ${scheduler.now()}`);
    scheduler.schedule(note('late'), 30);
    scheduler.schedule(note('early'), 9.5);
    scheduler.schedule(note('also early'), 10);
    scheduler.schedule(note('cancelled'), 10).unsubscribe();
    scheduler.schedule(note('at once'));
    expect(scheduler.runUntil(20, () => false)).toBe(true);
    expect(scheduler.now()).toBe(20);
    expect(ran).toEqual(['at once 1', 'early 10', 'also early 10']);
    expect(scheduler.runUntil(40, () => false)).toBe(false);
    expect(ran.at(-1)).toBe('late 30');
  });

  it('keeps the order of any number of timers', () => {
    const scheduler = new HeapScheduler();
    const random = seededRandom(1);
    const times: number[] = [];
    for (let timer = 0; timer < 500; timer++) {
      scheduler.schedule(() => void times.push(scheduler.now()), 1_000 * random());
    }
    scheduler.runUntil(1_000, () => false);
    expect(times).toHaveLength(500);
    expect(times).toEqual([...times].sort((one, other) => one - other));
  });

  it('takes the timers of RxJS', () => {
    const scheduler = new HeapScheduler();
    const ticks: number[] = [];
    interval(10, scheduler)
      .pipe(take(3))
      .subscribe({ next: () => ticks.push(scheduler.now()), error: rethrow });
    scheduler.runUntil(1_000, () => false);
    expect(ticks).toEqual([10, 20, 30]);
  });
});
