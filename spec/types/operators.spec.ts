import { expectTypeOf } from 'expect-type';
import { from, of, type Observable } from 'rxjs';
import type { CallContext, CallOutcome, FailedOutcome } from '../../lib/core/call';
import { CallPriority } from '../../lib/core/priority';
import { AdaptiveRateLimiter, type Permit } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { unwrapOutcomes } from '../../lib/operators/unwrap-outcomes';

interface News {
  readonly headline: string;
}

declare const news$: Observable<News>;

/** Is compiled and never called: only its types matter. */
function typesOf(check: () => void): void {
  expect(check).toBeInstanceOf(Function);
}

describe('types', () => {
  it('infer request and value of a whole chain without annotations', () => {
    typesOf(() => {
      const limiter = new AdaptiveRateLimiter();
      const outcomes$ = news$.pipe(
        adaptiveThrottle(limiter),
        mergeWithConcurrency(
          (news, context) => {
            expectTypeOf(news).toEqualTypeOf<News>();
            expectTypeOf(context).toEqualTypeOf<CallContext>();
            return Promise.resolve(news.headline.length);
          },
          { maxConcurrent: 5, limiter, traits: ({ headline }) => ({ tokens: headline.length }) },
        ),
      );
      expectTypeOf(outcomes$).toEqualTypeOf<Observable<CallOutcome<News, number>>>();
    });
  });

  it('take the value of Observables, promises, arrays and iterables of strings', () => {
    typesOf(() => {
      const observable$ = news$.pipe(mergeWithConcurrency(() => of('positive')));
      expectTypeOf(observable$).toEqualTypeOf<Observable<CallOutcome<News, string>>>();
      const promise$ = news$.pipe(mergeWithConcurrency(() => Promise.resolve('positive')));
      expectTypeOf(promise$).toEqualTypeOf<Observable<CallOutcome<News, string>>>();
      const array$ = news$.pipe(mergeWithConcurrency(() => ['positive'], 2));
      expectTypeOf(array$).toEqualTypeOf<Observable<CallOutcome<News, string>>>();
      const async$ = news$.pipe(mergeWithConcurrency(async ({ headline }) => Promise.resolve({ headline })));
      expectTypeOf(async$).toEqualTypeOf<Observable<CallOutcome<News, { headline: string }>>>();
    });
  });

  it('refuse a call that returns a bare string or no ObservableInput', () => {
    typesOf(() => {
      // @ts-expect-error a string would be streamed character by character
      void news$.pipe(mergeWithConcurrency(({ headline }) => headline));
      // @ts-expect-error a literal is a string too
      void news$.pipe(mergeWithConcurrency(() => 'positive' as const));
      // @ts-expect-error a number is no ObservableInput
      void news$.pipe(mergeWithConcurrency(() => 5));
      // @ts-expect-error the call must take what the source emits
      void news$.pipe(mergeWithConcurrency((request: number) => of(request)));
    });
  });

  it('refuse configs with wrong values or unknown fields', () => {
    typesOf(() => {
      const call = () => of(1);
      // @ts-expect-error is not a number
      mergeWithConcurrency(call, { maxConcurrent: '3' });
      // @ts-expect-error no such policy
      mergeWithConcurrency(call, { overflow: 'drop' });
      // @ts-expect-error is misspelt
      mergeWithConcurrency(call, { maxConcurent: 3 });
      const limiterConfig: { readonly baseInterval: number } = { baseInterval: 5 };
      expectTypeOf(limiterConfig).not.toExtend<AdaptiveRateLimiter>();
      // @ts-expect-error no such priority
      mergeWithConcurrency(call, { traits: () => ({ priority: 'urgent' }) });
      // @ts-expect-error no such policy
      adaptiveThrottle({}, { refused: 'drop' });
      // @ts-expect-error is not a number
      new AdaptiveRateLimiter({ baseInterval: '1s' });
    });
  });

  it('tell answered from failed by ok', () => {
    typesOf(() => {
      const outcome = {} as CallOutcome<News, number>;
      if (outcome.ok) {
        expectTypeOf(outcome.value).toEqualTypeOf<number>();
        expectTypeOf(outcome).not.toHaveProperty('error');
      } else {
        expectTypeOf(outcome.error).toEqualTypeOf<unknown>();
        expectTypeOf(outcome).not.toHaveProperty('value');
      }
    });
  });

  it('give unwrapOutcomes the values, and those that stand for failures', () => {
    typesOf(() => {
      const outcomes$ = news$.pipe(mergeWithConcurrency(() => of(1)));
      expectTypeOf(outcomes$.pipe(unwrapOutcomes())).toEqualTypeOf<Observable<number>>();
      const filled$ = outcomes$.pipe(
        unwrapOutcomes((failure) => {
          expectTypeOf(failure).toEqualTypeOf<FailedOutcome<News>>();
          return from(['unknown']);
        }),
      );
      expectTypeOf(filled$).toEqualTypeOf<Observable<number | string>>();
    });
  });

  it('know priorities as constants and as words', () => {
    typesOf(() => {
      expectTypeOf(CallPriority.HIGH).toEqualTypeOf<'high'>();
      expectTypeOf<CallPriority>().toEqualTypeOf<'low' | 'medium' | 'high' | 'critical'>();
      expectTypeOf(new AdaptiveRateLimiter().acquire('high')).toEqualTypeOf<Observable<Permit>>();
      // @ts-expect-error no such priority
      void new AdaptiveRateLimiter().acquire('urgent');
    });
  });
});
