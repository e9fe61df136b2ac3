import { expectTypeOf } from 'expect-type';
import { of, type Observable, type OperatorFunction } from 'rxjs';
import { cacheLLM, LLMResultCache, mergeWithConcurrency, type CallOutcome } from '../../lib';

interface Ticket {
  readonly text: string;
}

describe('the types of the cache', () => {
  it('follow the request and the value of misses', () => {
    const misses = (misses$: Observable<Ticket>) =>
      misses$.pipe(mergeWithConcurrency(({ text }) => of(text.length)));
    expectTypeOf(cacheLLM(misses)).toEqualTypeOf<OperatorFunction<Ticket, CallOutcome<Ticket, number>>>();
    expectTypeOf(cacheLLM(misses, new LLMResultCache())).toEqualTypeOf(cacheLLM(misses));
    cacheLLM(misses, { traits: (request) => ({ cacheKey: request.text }) });
    // @ts-expect-error a key is a string or false
    cacheLLM(misses, { traits: () => ({ cacheKey: true }) });
  });

  it('infer request and value inside a pipe', () => {
    const outcomes$ = of<Ticket>({ text: 'a' }).pipe(
      cacheLLM((misses$) => misses$.pipe(mergeWithConcurrency(({ text }) => Promise.resolve(text)))),
    );
    expectTypeOf(outcomes$).toEqualTypeOf<Observable<CallOutcome<Ticket, string>>>();
  });

  it('refuse misses that yield bare values, and calls that return a string', () => {
    // @ts-expect-error values are no outcomes
    expect(() => cacheLLM((misses$: Observable<Ticket>) => misses$)).not.toThrow();
    // @ts-expect-error a string would be streamed character by character
    mergeWithConcurrency((request: Ticket) => request.text);
  });

  it('keep what a cache holds unknown', () => {
    expectTypeOf(new LLMResultCache().get('key')).toBeUnknown();
    expectTypeOf(LLMResultCache.generateKey('a')).toBeString();
  });
});
