/* eslint-disable rxjs-x/throw-error -- calls may fail with anything */
import { concatMap, from, of, range, Subject, take, throwError, timer } from 'rxjs';
import type { CallContext, CallOutcome } from '../../lib/core/call';
import type { CallEvent, ErrorUnknownEvent } from '../../lib/core/events';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { mergeWithConcurrency, type ConcurrencyConfig } from '../../lib/operators/merge-with-concurrency';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime, rethrow } from '../test-scheduler';

const failed = (message: string, fields: object = {}) => Object.assign(new Error(message), fields);
const aborted = () => new DOMException('This operation was aborted', 'AbortError');

/** Makes calls that fail with these errors, one after the other, and answers what is told of them. */
function toldOf(
  errors: readonly unknown[],
  configOf: (clock: { scheduler: never }) => ConcurrencyConfig<number>,
): CallEvent[] {
  const events: CallEvent[] = [];
  inVirtualTime((scheduler) => {
    range(0, errors.length)
      .pipe(
        mergeWithConcurrency((index) => throwError(() => errors[index]), {
          maxConcurrent: 1,
          events: { next: (event) => events.push(event) },
          scheduler,
          ...configOf({ scheduler: scheduler as never }),
        }),
      )
      .subscribe({ error: rethrow });
    scheduler.flush();
  });
  return events;
}

const unknownOf = (events: readonly CallEvent[]) =>
  events.filter((event): event is ErrorUnknownEvent => event.type === 'error-unknown');
const shapesOf = (errors: readonly unknown[]) =>
  unknownOf(toldOf(errors, () => ({ retry: true }))).map(({ type, at, ...shape }) => {
    expect([type, at]).toEqual(['error-unknown', 0]);
    return shape;
  });

describe('an error that nobody understands', () => {
  it('is told once for each shape, without what it says', () => {
    const secret = 'the secret question';
    const shapes = shapesOf([
      failed(secret, { detail: { text: secret }, 'a secret key': 1 }),
      failed('another', { detail: {} }),
      failed(secret, { name: 'CustomError', code: 'E_CUSTOM' }),
      failed('no', { name: secret, code: secret }),
      failed('no', { code: 7 }),
      new (class OddError extends Error {})(secret),
      secret,
      undefined,
      failed(secret, { detail: 5 }),
    ]);
    expect(shapes).toEqual([
      { name: 'Error', fields: ['detail'] },
      { name: 'CustomError', code: 'E_CUSTOM', fields: ['name', 'code'] },
      { name: 'Error', fields: ['name', 'code'] },
      { name: 'Error', code: 7, fields: ['code'] },
      { name: 'OddError', fields: [] },
      { name: 'string', fields: [] },
      { name: 'undefined', fields: [] },
    ]);
    expect(JSON.stringify(shapes)).not.toContain('secret');
  });

  it('is told with the place where a status may stand', () => {
    const shapes = shapesOf([
      failed('no', { outcome: { http: 503 } }),
      failed('no', { outcome: { reply: { httpCode: '429' } } }),
      failed('Nothing came of row 503'),
      failed('no', { length: 503 }),
    ]);
    expect(shapes.map(({ statusAt }) => statusAt)).toEqual([
      'outcome.http',
      'outcome.reply.httpCode',
      'message',
      undefined,
    ]);
  });

  it('harms nothing if it is hostile', () => {
    const throws = () => {
      throw new Error('thrown');
    };
    const everything = new Proxy({}, { get: throws, has: throws, getPrototypeOf: throws, ownKeys: throws });
    const cyclic: Record<string, unknown> = {};
    cyclic['cyclic'] = cyclic;
    expect(shapesOf([everything, cyclic])).toEqual([{ name: 'Object', fields: ['cyclic'] }]);
  });

  it('is told of no more shapes than programs have', () => {
    const errors = Array.from({ length: 100 }, (_, index) => failed('no', { [`field${index}`]: 1 }));
    expect(shapesOf(errors)).toHaveLength(64);
    const wide = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`field${index}`, { index }]));
    expect(shapesOf([failed('no', wide)])[0]!.fields).toHaveLength(20);
  });

  it('is told after the call has finished and before its request is settled', () => {
    const told = toldOf([new Error('no')], () => ({ retry: true }));
    expect(told.map(({ type }) => type)).toEqual([
      'received',
      'started',
      'finished',
      'error-unknown',
      'settled',
    ]);
  });

  it('is told if a limiter or retries had to know what it means, and not else', () => {
    const errors = [new Error('no')];
    const limiterOf = ({ scheduler }: { scheduler: never }) => new AdaptiveRateLimiter({ scheduler });
    expect(unknownOf(toldOf(errors, (clock) => ({ limiter: limiterOf(clock) })))).toHaveLength(1);
    expect(unknownOf(toldOf(errors, (clock) => ({ limiter: limiterOf(clock), retry: true })))).toHaveLength(
      1,
    );
    expect(unknownOf(toldOf(errors, () => ({})))).toHaveLength(0);
  });

  it('is what the classifier in use does not understand', () => {
    const errors = [failed('mine'), failed('no', { status: 400 })];
    const classifyError = (error: unknown) =>
      ({ kind: (error as Error).message === 'mine' ? 'stop' : 'unknown' }) as const;
    expect(unknownOf(toldOf(errors, () => ({ retry: { classifyError } })))).toMatchObject([
      { fields: ['status'] },
    ]);
  });

  it('is not one that a person would understand, nor one of ours, nor a call without a value', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, timeout: 5, retry: { attempts: 1 } });
      const told: CallEvent[] = [];
      optimizer.events$.subscribe({ next: (event) => told.push(event), error: rethrow });
      const calls = [timer(9), of(), throwError(() => failed('HTTP 503', { status: 400 }))];
      from([0, 1, 2])
        .pipe(optimizer.optimize((index: number) => calls[index]!))
        .subscribe({ error: rethrow });
      scheduler.flush();
      expect(told.filter(({ type }) => type === 'settled')).toHaveLength(3);
      expect(unknownOf(told)).toEqual([]);
    });
  });

  it('is told once by an optimizer, whatever asks it', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler });
      const told: CallEvent[] = [];
      optimizer.events$.subscribe({ next: (event) => told.push(event), error: rethrow });
      for (const request of ['a', 'b', 'c']) {
        of(request)
          .pipe(optimizer.optimize(() => throwError(() => failed(request))))
          .subscribe({ error: rethrow });
      }
      scheduler.flush();
      expect(unknownOf(told)).toHaveLength(1);
    });
  });

  it('may have the listener leave', () => {
    inVirtualTime((scheduler) => {
      const requests = new Subject<string>();
      const outcomes: CallOutcome<string, never>[] = [];
      const told: string[] = [];
      const subscription = requests
        .pipe(
          mergeWithConcurrency((request: string) => throwError(() => failed(request)), {
            retry: true,
            scheduler,
            events: {
              next: ({ type }) => {
                told.push(type);
                if (type === 'error-unknown') {
                  subscription.unsubscribe();
                }
              },
            },
          }),
        )
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
      requests.next('a');
      expect(outcomes).toEqual([]);
      expect(told).toEqual(['received', 'started', 'finished', 'error-unknown', 'left']);
    });
  });
});

describe('an abort that the call throws while its signal is not aborted', () => {
  it('is tried again, as the client’s own timer was up', () => {
    inVirtualTime((scheduler) => {
      const outcomes: unknown[] = [];
      const told: CallEvent[] = [];
      const call = (_: string, { attempt, signal }: CallContext) =>
        timer(5).pipe(
          concatMap(() => {
            expect(signal.aborted).toBe(false);
            return attempt < 3 ? throwError(aborted) : of('answer');
          }),
        );
      of('a')
        .pipe(
          mergeWithConcurrency(call, {
            limiter: new AdaptiveRateLimiter({ scheduler }),
            retry: true,
            events: { next: (event) => told.push(event) },
          }),
        )
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
      scheduler.flush();
      expect(outcomes).toMatchObject([{ ok: true, value: 'answer', attempts: 3 }]);
      expect(unknownOf(told)).toEqual([]);
    });
  });

  it('is tried a bounded number of times, and no more once nobody waits', () => {
    inVirtualTime((scheduler) => {
      const attempts: number[] = [];
      const call = (_: string, { attempt }: CallContext) => {
        attempts.push(attempt);
        return throwError(aborted);
      };
      const outcomes: unknown[] = [];
      of('a')
        .pipe(mergeWithConcurrency(call, { scheduler, retry: true }))
        .subscribe({ next: (outcome) => outcomes.push(outcome), error: rethrow });
      scheduler.flush();
      expect(attempts).toEqual([1, 2, 3]);
      expect(outcomes).toMatchObject([{ ok: false, attempts: 3 }]);
      of('b')
        .pipe(mergeWithConcurrency(call, { scheduler, retry: true }), take(0))
        .subscribe({ error: rethrow });
      scheduler.flush();
      expect(attempts).toEqual([1, 2, 3]);
    });
  });

  it('counts as an outage, but not if who asked for the permit may have aborted', () => {
    inVirtualTime((scheduler) => {
      const limiter = new AdaptiveRateLimiter({ scheduler, baseInterval: 1 });
      const ask = (error: unknown) =>
        range(0, 40)
          .pipe(
            concatMap(() => limiter.acquire()),
            take(40),
          )
          .subscribe({ next: (permit) => permit.report({ error }), error: rethrow });
      ask(aborted());
      scheduler.flush();
      expect(limiter.state.holdReason).toBeUndefined();
      const operator = mergeWithConcurrency(() => throwError(aborted), { limiter });
      range(0, 40).pipe(operator, take(20)).subscribe({ error: rethrow });
      scheduler.flush();
      expect(limiter.state.holdReason).toBe('overloaded');
    });
  });
});
