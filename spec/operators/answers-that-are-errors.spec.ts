/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-nested-subscribe -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { from, map, of, Subject, timer } from 'rxjs';
import { NoAnswerError } from '../../lib/core/errors';
import type { CallEvent } from '../../lib/core/events';
import type { CallOutcome } from '../../lib/core/call';
import { mergeWithConcurrency, type ConcurrencyConfig } from '../../lib/operators/merge-with-concurrency';
import { AsyncLLMExecutor } from '../../lib/optimizer/async-llm-executor';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import { inVirtualTime, runUntil } from '../test-scheduler';

const refusal = { error: { code: 429, message: 'slow down' } };
const overload = { error: { code: 503, message: 'busy' } };

/** The outcomes of one request, whose attempts are answered so. */
function outcomesOf(
  answers: readonly unknown[],
  config: Omit<ConcurrencyConfig<string>, 'scheduler'> = {},
): { outcomes: CallOutcome<string, unknown>[]; events: CallEvent[] } {
  return inVirtualTime((scheduler) => {
    const outcomes: CallOutcome<string, unknown>[] = [];
    const events: CallEvent[] = [];
    of('q')
      .pipe(
        mergeWithConcurrency((_request, { attempt }) => timer(1).pipe(map(() => answers[attempt - 1])), {
          events: { next: (event) => events.push(event) },
          ...config,
          scheduler,
        }),
      )
      .subscribe((outcome) => outcomes.push(outcome));
    scheduler.flush();
    return { outcomes, events };
  });
}

describe('an answer that is an error', () => {
  it('is a failed outcome, and a failed call', () => {
    const { outcomes, events } = outcomesOf([refusal]);
    expect(outcomes).toMatchObject([{ ok: false, latency: 1, attempts: 1 }]);
    expect(outcomes[0]).toHaveProperty('error', expect.any(NoAnswerError));
    expect(events.find(({ type }) => type === 'finished')).toMatchObject({ result: 'failed' });
  });

  it('is tried again as if it had come with its status', () => {
    const { outcomes } = outcomesOf([overload, refusal, 'answer'], { retry: 1 });
    expect(outcomes).toMatchObject([{ ok: true, value: 'answer', attempts: 3 }]);
  });

  it('only counts as the last value of a call', () => {
    inVirtualTime((scheduler) => {
      const outcomes: CallOutcome<string, unknown>[] = [];
      of('q')
        .pipe(mergeWithConcurrency(() => from([refusal, 'answer']), { scheduler }))
        .subscribe((outcome) => outcomes.push(outcome));
      expect(outcomes).toMatchObject([{ ok: true, value: 'answer' }]);
    });
  });

  it('is an answer where that is asked for', () => {
    expect(outcomesOf([refusal], { errorInAnswer: false }).outcomes).toMatchObject([
      { ok: true, value: refusal },
    ]);
    expect(outcomesOf([refusal], { errorInAnswer: () => undefined }).outcomes).toMatchObject([{ ok: true }]);
  });

  it.each([undefined, null, false, 0, ''])('is none if the user’s function returns %p', (returned) => {
    expect(outcomesOf(['answer'], { errorInAnswer: () => returned }).outcomes).toMatchObject([{ ok: true }]);
  });

  it('is what a function of the user’s returns, given answer and request', () => {
    const error = new Error('busy');
    const asked: unknown[] = [];
    const errorInAnswer = (...given: unknown[]) => {
      asked.push(...given);
      return error;
    };
    expect(outcomesOf(['answer'], { errorInAnswer }).outcomes).toMatchObject([{ ok: false, error }]);
    expect(asked).toEqual(['answer', 'q']);
  });

  it('is what a function of the user’s throws', () => {
    const error = new Error('cannot read');
    const errorInAnswer = () => {
      throw error;
    };
    expect(outcomesOf(['answer'], { errorInAnswer }).outcomes).toMatchObject([{ ok: false, error }]);
  });

  it('is not looked for by a promise, which every answer would fail with', async () => {
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    const { outcomes } = outcomesOf(['answer'], {
      errorInAnswer: () => Promise.reject(new Error('late')),
    });
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(outcomes).toMatchObject([
      { error: new TypeError('errorInAnswer must not be asynchronous, but returned a promise.') },
    ]);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('is nobody’s any more if the user’s function makes the subscriber leave', () => {
    inVirtualTime((scheduler) => {
      const requests = new Subject<string>();
      const outcomes: unknown[] = [];
      const started: string[] = [];
      const subscription = requests
        .pipe(
          mergeWithConcurrency((request) => (started.push(request), of('answer')), {
            scheduler,
            maxConcurrent: 1,
            errorInAnswer: () => {
              subscription.unsubscribe();
              return new Error('left');
            },
          }),
        )
        .subscribe((outcome) => outcomes.push(outcome));
      requests.next('a');
      requests.next('b');
      expect([started, outcomes]).toEqual([['a'], []]);
    });
  });

  it('refuses a switch that is none', () => {
    expect(() => mergeWithConcurrency(() => of(1), { errorInAnswer: true as never })).toThrow(
      'errorInAnswer must be a function, but is true.',
    );
    expect(() => new LLMCallOptimizer({ errorInAnswer: 1 as never })).toThrow('errorInAnswer must be');
  });
});

describe('the optimizer', () => {
  it('slows down for refusals within answers, keeps none of them, and asks again', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({ scheduler, baseInterval: 0, maxConcurrent: 50 });
      const answers: unknown[] = [];
      let calls = 0;
      const ask = () => timer(10).pipe(map(() => (++calls <= 50 ? refusal : 'answer')));
      from(Array.from({ length: 50 }, (_, number) => `q ${number}`))
        .pipe(optimizer.optimize(ask))
        .subscribe((outcome) => answers.push(outcome.ok && outcome.value));
      timer(600_000).subscribe(() => {
        expect(answers).toEqual(Array.from({ length: 50 }, () => 'answer'));
        expect(optimizer.getStats().metrics).toMatchObject({ answeredCalls: 50, failedCalls: 0 });
        expect(optimizer.getStats().metrics.retriedCalls).toBeGreaterThanOrEqual(50);
        expect(optimizer.cache!.stats.size).toBe(50);
        optimizer.close();
      });
    });
    expect.assertions(4);
  });

  it('gives the answer that it has in place of an error within an answer', () => {
    runUntil(500, ({ scheduler }) => {
      const optimizer = new LLMCallOptimizer({
        scheduler,
        baseInterval: 0,
        retry: false,
        cache: { defaultTtl: 10, staleIfError: 1000, errorTtl: 100 },
      });
      const seen: unknown[] = [];
      let calls = 0;
      const ask = () => timer(5).pipe(map(() => (++calls === 1 ? 'the answer' : overload)));
      for (const at of [0, 100, 200]) {
        timer(at).subscribe(() =>
          of('q')
            .pipe(optimizer.optimize(ask))
            .subscribe((outcome) => seen.push(outcome.ok && [outcome.source, outcome.value])),
        );
      }
      timer(500).subscribe(() => {
        expect(seen).toEqual([
          ['call', 'the answer'],
          ['stale', 'the answer'],
          ['stale', 'the answer'],
        ]);
        optimizer.close();
      });
    });
    expect.assertions(2);
  });

  it('keeps a failure within an answer for `errorTtl`, as one that came with its status', () => {
    inVirtualTime((scheduler) => {
      const optimizer = new LLMCallOptimizer({
        scheduler,
        baseInterval: 0,
        retry: false,
        cache: { errorTtl: 100 },
      });
      let calls = 0;
      const ask = () => (calls++, of({ error: { code: 400, message: 'm' } }));
      for (const at of [0, 50]) {
        timer(at).subscribe(() => of('q').pipe(optimizer.optimize(ask)).subscribe());
      }
      timer(80).subscribe(() => {
        expect(calls).toBe(1);
        expect(optimizer.getStats().metrics).toMatchObject({ failedCalls: 2, answeredCalls: 0 });
        optimizer.close();
      });
    });
    expect.assertions(2);
  });
});

describe('the executor', () => {
  it('rejects with an error within an answer, unless it is told otherwise', async () => {
    const executor = new AsyncLLMExecutor();
    await expect(executor.execute(() => of(refusal), 'q')).rejects.toBeInstanceOf(NoAnswerError);
    executor.close();
    const lenient = new AsyncLLMExecutor({ errorInAnswer: false });
    await expect(lenient.execute(() => of(refusal), 'q')).resolves.toBe(refusal);
    lenient.close();
  });
});
