/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import * as fc from 'fast-check';
import { map, Observable, of, Subject, takeUntil, timer } from 'rxjs';
import type { CallEvent } from '../../lib/core/events';
import type { StreamItem } from '../../lib/core/stream';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { settled } from '../../lib/operators/stream-with-concurrency';
import { joining } from '../streams';
import { inVirtualTime } from '../test-scheduler';
import { runs } from './runs';

type Item = StreamItem<Asked, string, string>;

const streamPlan = fc.record({
  /** Milliseconds before each chunk. */
  gaps: fc.array(fc.nat(4), { maxLength: 5 }),
  end: fc.constantFrom('whole' as const, 'whole' as const, 'cut' as const, 'lost' as const, 'hangs' as const),
  /** Milliseconds from the last chunk to the end. */
  endsAfter: fc.nat(3),
});

const askedPlan = fc.record(
  {
    text: fc.constantFrom('a', 'b'),
    at: fc.nat(16),
    leavesAt: fc.nat(24),
    /** The subscriber does something in the middle of this item. */
    reactsAt: fc.integer({ min: 1, max: 5 }),
    reaction: fc.constantFrom('leaves' as const, 'asks' as const, 'closes' as const),
    priority: fc.constantFrom('low' as const, 'high' as const),
    bypass: fc.constantFrom({ sharing: true }, { lookUp: true }, { write: true }),
    cacheKey: fc.constant(false as const),
    maxWait: fc.nat(6),
  },
  { requiredKeys: ['text', 'at'] },
);

const plan = fc.record({
  asked: fc.array(askedPlan, { minLength: 1, maxLength: 6 }),
  streams: fc.array(streamPlan, { minLength: 1, maxLength: 4 }),
  maxConcurrent: fc.integer({ min: 1, max: 3 }),
  enableCache: fc.boolean(),
  staleIfError: fc.constantFrom(0, 100),
  cacheTtl: fc.constantFrom(5, 1000),
  baseInterval: fc.constantFrom(0, 3),
  retries: fc.boolean(),
  firstChunkTimeout: fc.constantFrom(Infinity, 4),
  chunkTimeout: fc.constantFrom(Infinity, 3),
  replay: fc.constantFrom('chunks' as const, { chunkDelay: 2 }),
});

type Made<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Plan = Made<typeof plan>;
type Asked = Made<typeof askedPlan>;

/** What one subscriber was told, and how that ended. */
interface Told {
  readonly asked: Asked;
  readonly items: Item[];
  hasLeft: boolean;
  isComplete: boolean;
}

interface Run {
  readonly told: Told[];
  readonly events: CallEvent[];
  readonly faults: string[];
  readonly wasClosed: boolean;
}

/** The calls that run, and the faults that are seen while they do. */
class Calls {
  made = 0;
  running = 0;
  readonly faults: string[] = [];

  constructor(private readonly given: Plan) {}

  /** A stream whose chunks tell the call they are of. */
  open(
    call: number,
    after: (delay: number, work: () => void) => { unsubscribe(): void },
  ): Observable<string> {
    const { gaps, end, endsAfter } = this.given.streams[call % this.given.streams.length]!;
    return new Observable((subscriber) => {
      if (++this.running > this.given.maxConcurrent) {
        this.faults.push(`${this.running} ran at once`);
      }
      subscriber.add(() => this.running--);
      const next = (index: number): void => {
        const isLast = index === gaps.length;
        const work = () => {
          if (!isLast) {
            subscriber.next(`${call}.${index} `);
            next(index + 1);
          } else if (end === 'lost') {
            subscriber.error(Object.assign(new Error('lost'), { code: 'ECONNRESET' }));
          } else if (end !== 'hangs') {
            subscriber.complete();
          }
        };
        const delay = isLast ? endsAfter : gaps[index]!;
        if (delay === 0) {
          work();
        } else if (!subscriber.closed) {
          subscriber.add(after(delay, work));
        }
      };
      next(0);
    });
  }
}

function runOf(given: Plan): Run {
  const { asked: all, enableCache, staleIfError, cacheTtl, retries, ...others } = given;
  const { baseInterval, maxConcurrent, firstChunkTimeout, chunkTimeout, replay } = others;
  return inVirtualTime((scheduler) => {
    const events: CallEvent[] = [];
    let wasClosed = false;
    const calls = new Calls(given);
    const optimizer = new LLMCallOptimizer({
      scheduler,
      maxConcurrent,
      baseInterval,
      adaptive: false,
      retry: retries && { random: () => 0.5, baseDelay: 2, maxElapsed: 50, budgetRatio: 1 },
      ...(enableCache ? { cacheTtl, cache: { staleIfError } } : { enableCache }),
    });
    optimizer.events$.subscribe((event) => events.push(event));
    const ask = joining<Asked>(
      () => calls.open(calls.made++, (delay, work) => scheduler.schedule(work, delay)),
      {
        isWhole: (texts) => {
          const call = Number.parseInt(texts[0]!, 10);
          return given.streams[call % given.streams.length]!.end === 'whole';
        },
      },
    );
    const told: Told[] = [];
    const subscribe = (asked: Asked, isFirst: boolean) => {
      const one: Told = { asked, items: [], hasLeft: false, isComplete: false };
      told.push(one);
      const requests$ = isFirst ? timer(asked.at, scheduler).pipe(map(() => asked)) : of(asked);
      const left = new Subject<void>();
      const leave = () => {
        one.hasLeft ||= !one.isComplete;
        left.next();
      };
      const react = () => {
        if (asked.reaction === 'closes') {
          wasClosed = true;
          optimizer.close();
        } else if (asked.reaction === 'asks') {
          subscribe({ ...asked, reaction: undefined } as unknown as Asked, false);
        } else {
          leave();
        }
      };
      requests$
        .pipe(optimizer.optimizeStream(ask, { firstChunkTimeout, chunkTimeout, replay }), takeUntil(left))
        .subscribe({
          next: (item) => {
            one.items.push(item);
            if (isFirst && one.items.length === asked.reactsAt && asked.reaction) {
              react();
            }
          },
          error: () => (one.isComplete = one.hasLeft = true),
          complete: () => (one.isComplete = true),
        });
      if (asked.leavesAt !== undefined) {
        scheduler.schedule(leave, asked.leavesAt);
      }
      scheduler.schedule(leave, 500);
    };
    for (const asked of all) {
      subscribe(asked, true);
    }
    scheduler.flush();
    if (calls.running > 0) {
      calls.faults.push(`${calls.running} ran on`);
    }
    optimizer.close();
    return { told, events, faults: calls.faults, wasClosed };
  });
}

/** What is wrong with what a subscriber was told. */
function faultsOf({ items, hasLeft, isComplete, asked }: Told, wasClosed: boolean): string[] {
  const chunks = items.flatMap((item) => (item.type === 'chunk' ? [item] : []));
  const ends = items.flatMap((item) => (item.type === 'outcome' ? [item] : []));
  const text = chunks.map(({ chunk }) => chunk).join('');
  const faults: string[] = [];
  const expect = (isRight: boolean, fault: string) => {
    if (!isRight) {
      faults.push(`${fault}: ${JSON.stringify({ asked, items })}`);
    }
  };
  expect(
    chunks.every(({ index }, place) => index === place),
    'chunks out of place',
  );
  expect(new Set(chunks.map(({ chunk }) => chunk.split('.')[0])).size <= 1, 'chunks of two calls');
  expect(new Set(items.map(({ id }) => id)).size <= 1, 'two numbers for one request');
  expect(
    items.every(({ request }) => request === asked),
    'another request',
  );
  expect(
    ends.length <= 1 && (ends.length === 0 || items.at(-1) === ends[0]),
    'an outcome that is not the end',
  );
  // After a close no request comes any more.
  const isUnasked = isComplete && items.length === 0 && wasClosed;
  expect(hasLeft || isUnasked || (ends.length === 1 && isComplete), 'no outcome');
  for (const { outcome } of ends) {
    expect(
      outcome.ok ? outcome.value === text : (outcome.partial ?? (wasClosed ? text : '')) === text,
      'another text',
    );
  }
  return faults;
}

function faultsOfEvents(events: readonly CallEvent[]): string[] {
  const types = new Map<number, string[]>();
  for (const event of events) {
    if ('id' in event) {
      types.set(event.id, [...(types.get(event.id) ?? []), event.type]);
    }
  }
  return [...types.values()].flatMap((one) => {
    const count = (type: string) => one.filter((other) => other === type).length;
    const isSound =
      count('received') === 1 &&
      count('settled') + count('left') === 1 &&
      count('started') === count('finished') &&
      count('first-chunk') <= count('started') &&
      // After the first chunk nothing is tried again.
      (count('first-chunk') === 0 || one.lastIndexOf('retrying') < one.indexOf('first-chunk'));
    return isSound ? [] : [one.join(' ')];
  });
}

describe('whatever the streams, and whoever joins, leaves or closes in the middle of anything', () => {
  it('each request has its chunks in place, of one call, and one outcome that they make; no stream runs on', () => {
    fc.assert(
      fc.property(plan, (given) => {
        const { told, events, faults, wasClosed } = runOf(given);
        expect([
          ...faults,
          ...told.flatMap((one) => faultsOf(one, wasClosed)),
          ...faultsOfEvents(events),
        ]).toEqual([]);
      }),
      { numRuns: runs(500) },
    );
  });
});

it('requests that are asked at once share one stream, whenever each of them leaves', () => {
  fc.assert(
    fc.property(
      streamPlan,
      fc.array(fc.record({ at: fc.nat(8), leavesAt: fc.option(fc.nat(16), { nil: undefined }) }), {
        minLength: 2,
        maxLength: 5,
      }),
      (stream, others) => {
        const whole = { ...stream, end: 'whole' as const, gaps: [3, ...stream.gaps] };
        let made = 0;
        const outcomes: boolean[] = [];
        inVirtualTime((scheduler) => {
          const calls = new Calls({ streams: [whole], maxConcurrent: 1 } as unknown as Plan);
          const optimizer = new LLMCallOptimizer({ scheduler, retry: false });
          const ask = joining<string>(() => {
            made++;
            return calls.open(0, (delay, work) => scheduler.schedule(work, delay));
          });
          // One stays to the end, so that nothing is ever made twice.
          for (const { at, leavesAt } of [{ at: 0, leavesAt: undefined }, ...others]) {
            const subscription = timer(at, scheduler)
              .pipe(
                map(() => 'q'),
                optimizer.optimizeStream(ask),
                settled(),
              )
              .subscribe(({ ok }) => outcomes.push(ok));
            if (leavesAt !== undefined) {
              scheduler.schedule(() => subscription.unsubscribe(), leavesAt);
            }
          }
          scheduler.flush();
          optimizer.close();
        });
        expect(made).toBe(1);
        expect(outcomes.length).toBeGreaterThan(
          others.filter(({ leavesAt }) => leavesAt === undefined).length,
        );
        expect(outcomes.every(Boolean)).toBe(true);
      },
    ),
    { numRuns: runs(150) },
  );
});
