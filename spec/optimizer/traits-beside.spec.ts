/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-ignored-default-value -- an error that nothing handles fails the spec, as RxJS rethrows it, and each stream has a value */
import { from, lastValueFrom, map, of, Subject, timer, toArray } from 'rxjs';
import type { CallEvent, TraitIgnoredEvent } from '../../lib/core/events';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { DeadlineExceededError } from '../../lib/core/errors';

let optimizer: LLMCallOptimizer;
let events: CallEvent[];

beforeEach(() => {
  optimizer = new LLMCallOptimizer({ enableRateLimit: false, maxConcurrent: 1 });
  events = [];
  optimizer.events$.subscribe((event) => events.push(event));
});

afterEach(() => optimizer.close());

const slow = (request: unknown) => timer(5).pipe(map(() => JSON.stringify(request)));
const started = () => events.flatMap((event) => (event.type === 'started' ? [event.priority] : []));

describe('traits beside a request', () => {
  it('decide its priority and its lane', async () => {
    await Promise.all([
      optimizer.call(slow, 1),
      optimizer.call(slow, 2, { priority: 'low', lane: 'a' }),
      optimizer.call(slow, 3, { priority: 'critical' }),
    ]);
    expect(started()).toEqual(['medium', 'critical', 'low']);
    expect(events.filter(({ type }) => type === 'received')).toMatchObject([
      {},
      { priority: 'low', lane: 'a' },
      { priority: 'critical' },
    ]);
  });

  it('come before those in it, which are content then', async () => {
    const ask = (request: { ticket: string; priority: string }) => of(request.priority);
    const answers = await Promise.all(
      ['critical', 'low'].map((priority) =>
        optimizer.call(ask, { ticket: 't', priority }, { priority: 'medium' }),
      ),
    );
    expect(answers).toEqual(['critical', 'low']);
    expect(started()).toEqual(['medium', 'medium']);
  });

  it('decide its key, its tags, its time to live, and what it goes past', async () => {
    const ask = (request: string) => of(request);
    expect(await optimizer.call(ask, 'a', { cacheKey: 'k', cacheTags: ['gold'] })).toBe('a');
    expect(await optimizer.call(ask, 'b', { cacheKey: 'k' })).toBe('a');
    expect(await optimizer.call(ask, 'c', { cacheKey: 'k', bypass: { lookUp: true, write: true } })).toBe(
      'c',
    );
    expect(await optimizer.call(ask, 'd', { cacheKey: 'k', sample: 1 })).toBe('d');
    expect(await optimizer.call(ask, 'e', { cacheKey: 'k', cacheScope: 'acme' })).toBe('e');
    expect(await optimizer.explain(ask, 'f', { cacheKey: 'k' })).toMatchObject({ reason: 'fresh' });
    expect(optimizer.cache!.invalidate({ tag: 'gold' })).toBe(1);
    expect(await optimizer.explain(ask, 'f', { cacheKey: 'k' })).toMatchObject({ reason: 'invalidated' });
    await optimizer.call(ask, 'g', { cacheTtl: 0 });
    expect(await optimizer.explain(ask, 'g')).toMatchObject({ reason: 'ttl' });
    await optimizer.call(ask, 'h', { cacheKey: false });
    expect(await optimizer.explain(ask, 'h')).toMatchObject({ reason: 'never-seen' });
  });

  it('decide how long it may wait', async () => {
    const first = optimizer.call(slow, 1);
    await expect(optimizer.call(slow, 2, { maxWait: 1 })).rejects.toBeInstanceOf(DeadlineExceededError);
    await first;
  });

  it('apply to all requests of a batch', async () => {
    await Promise.all([optimizer.call(slow, 1), optimizer.callBatch(slow, [2, 3], { priority: 'low' })]);
    expect(started()).toEqual(['medium', 'low', 'low']);
  });

  it('apply to all requests of a stream', async () => {
    const requests = [{ q: 2 }, { q: 3, priority: 'critical' }];
    await Promise.all([
      optimizer.call(slow, 1),
      lastValueFrom(from(requests).pipe(optimizer.optimize(slow, { priority: 'low', cacheKey: false }))),
    ]);
    expect(started()).toEqual(['medium', 'low', 'low']);
    expect(optimizer.cache!.stats.size).toBe(1);
  });

  it('are refused if they are wrong, by name', async () => {
    await expect(optimizer.call(slow, 1, { priority: 'urgent' as never })).rejects.toThrow(
      "priority must be 'low', 'medium', 'high', 'critical', but is 'urgent'.",
    );
    expect(() => optimizer.optimize(slow, { lane: 5 as never })).toThrow(/lane must be a string/);
    await expect(optimizer.callBatch(slow, [1], { cacheKey: 'k' as never })).rejects.toThrow(
      /cacheKey must be false here/,
    );
    expect(() => optimizer.optimize(slow, { cacheKey: 'k' as never })).toThrow(/cacheKey must be false here/);
    expect(events).toEqual([]);
  });

  it('that are undefined are absent', async () => {
    const request = { q: 1, priority: 'high' };
    await optimizer.call(slow, request, { priority: undefined, signal: undefined, cacheKey: undefined });
    expect(started()).toEqual(['high']);
  });
});

describe('a field that has the name of a trait, but no value of it', () => {
  const ignored = () => events.filter((event): event is TraitIgnoredEvent => event.type === 'trait-ignored');

  it('is told of once, by name', async () => {
    const ask = () => of('x');
    for (let q = 0; q < 3; q++) {
      await optimizer.call(ask, { q, priority: 'urgent' });
      await optimizer.callBatch(ask, [{ q, priority: 'P1', lane: 5 }]);
    }
    await lastValueFrom(of({ q: 9, priority: 'asap' }).pipe(optimizer.optimize(ask)));
    expect(ignored().map(({ field }) => field)).toEqual(['priority', 'lane']);
    expect(events.findIndex(({ type }) => type === 'trait-ignored')).toBe(1);
    expect(started().every((priority) => priority === 'medium')).toBe(true);
  });

  it('is not told of if it is given beside the request', async () => {
    await optimizer.call(() => of('x'), { q: 1, priority: 'P1' }, { priority: 'high' });
    expect(ignored()).toEqual([]);
  });

  it('is told of if a function reads it', async () => {
    optimizer.close();
    optimizer = new LLMCallOptimizer({ traits: () => ({ priority: 'urgent' as never }) });
    optimizer.events$.subscribe((event) => events.push(event));
    await optimizer.call(() => of('x'), 'q');
    expect(ignored().map(({ field }) => field)).toEqual(['priority']);
  });

  it('is told of by the operator that comes first', async () => {
    const listener = new Subject<CallEvent>();
    const told: CallEvent[] = [];
    listener.subscribe((event) => told.push(event));
    await lastValueFrom(
      from([1, 2].map((q) => ({ q, priority: 'urgent' }))).pipe(
        adaptiveThrottle({ baseInterval: 0 }, { events: listener }),
        mergeWithConcurrency(() => of('x'), { events: listener }),
        toArray(),
      ),
    );
    expect(told.filter(({ type }) => type === 'trait-ignored')).toHaveLength(1);
    await lastValueFrom(
      of({ priority: 'urgent' }).pipe(
        mergeWithConcurrency(() => of('x'), { events: { next: (event) => told.push(event) } }),
      ),
    );
    expect(told.filter(({ type }) => type === 'trait-ignored')).toHaveLength(2);
  });
});
