import { expectTypeOf } from 'expect-type';
import { of, type Observable, type OperatorFunction } from 'rxjs';
import {
  AsyncLLMExecutor,
  LLMCallOptimizer,
  type BatchOptions,
  type BatchProgress,
  type CallContext,
  type CallEvent,
  type CallOutcome,
  type StatsSnapshot,
} from '../../lib';

interface Article {
  readonly body: string;
}

const article: Article = { body: 'a' };
const optimizer = new LLMCallOptimizer();
const summarise = (article: Article, context: CallContext) =>
  Promise.resolve(article.body.length + context.attempt);

describe('the types of the optimizer', () => {
  afterAll(() => optimizer.close());

  it('follow the call', () => {
    expectTypeOf(optimizer.optimize(summarise)).toEqualTypeOf<
      OperatorFunction<Article, CallOutcome<Article, number>>
    >();
    const one = () => optimizer.call(summarise, { body: 'a' });
    const many = () => optimizer.callBatch(summarise, [article]);
    expectTypeOf(one).returns.resolves.toBeNumber();
    expectTypeOf(many).returns.resolves.toEqualTypeOf<CallOutcome<Article, number>[]>();
    const outcome = () => optimizer.callOutcome(summarise, article, { priority: 'high' });
    expectTypeOf(outcome).returns.resolves.toEqualTypeOf<CallOutcome<Article, number>>();
    expectTypeOf(optimizer.optimize((article: Article) => of(article.body))).toEqualTypeOf<
      OperatorFunction<Article, CallOutcome<Article, string>>
    >();
  });

  it('tell the progress of a batch by its call', () => {
    const shared: BatchOptions = { priority: 'low', onProgress: ({ outcome }) => outcome.ok };
    const batches = () => ({
      one: optimizer.callBatch(summarise, [article], {
        onProgress: (progress) => {
          expectTypeOf(progress).toEqualTypeOf<BatchProgress<Article, number>>();
          expectTypeOf(progress.total).toEqualTypeOf<number | undefined>();
        },
      }),
      other: optimizer.callBatch((text: string) => of(text.length), ['a'], {
        onProgress: ({ outcome }) => expectTypeOf(outcome).toEqualTypeOf<CallOutcome<string, number>>(),
      }),
      shared: optimizer.callBatch(summarise, [article], shared),
    });
    expectTypeOf(batches).returns.toEqualTypeOf<{
      one: Promise<CallOutcome<Article, number>[]>;
      other: Promise<CallOutcome<string, number>[]>;
      shared: Promise<CallOutcome<Article, number>[]>;
    }>();
  });

  it('name what it tells', () => {
    expectTypeOf(optimizer.stats$).toEqualTypeOf<Observable<StatsSnapshot>>();
    expectTypeOf(optimizer.events$).toEqualTypeOf<Observable<CallEvent>>();
    expectTypeOf(optimizer.getStats()).toEqualTypeOf<StatsSnapshot>();
  });

  it('narrow an outcome by ok', () => {
    const handle = (outcome: CallOutcome<Article, number>) => {
      if (outcome.ok) {
        expectTypeOf(outcome.value).toBeNumber();
        expectTypeOf(outcome.source).toEqualTypeOf<'call' | 'cache' | 'shared' | 'stale'>();
      } else {
        expectTypeOf(outcome.error).toBeUnknown();
        // @ts-expect-error a failure has no value
        expect(outcome.value).toBeUndefined();
      }
    };
    handle({ ok: false, request: { body: '' }, error: 1, latency: 0, waited: 0, attempts: 0 });
  });

  it('refuse a call that returns a string, a wrong request and an unknown option', () => {
    // @ts-expect-error a string would be streamed character by character
    optimizer.optimize((article: Article) => article.body);
    // @ts-expect-error the request is no article
    void optimizer.call(summarise, { title: 'a' }).catch(() => undefined);
    // @ts-expect-error there is no such option
    expect(() => new LLMCallOptimizer({ maxConcurrency: 3 })).toThrow('maxConcurrent');
  });

  it('are the same for the executor', () => {
    const executor = new AsyncLLMExecutor();
    const one = () => executor.execute(summarise, { body: 'a' });
    const many = () => executor.executeBatch(summarise, []);
    expectTypeOf(one).returns.resolves.toBeNumber();
    expectTypeOf(many).returns.resolves.toEqualTypeOf<CallOutcome<Article, number>[]>();
    const onProgress = ({ outcome }: BatchProgress<Article, number>) => outcome.ok;
    expectTypeOf(() => executor.executeBatch(summarise, [], { onProgress })).returns.resolves.toBeArray();
    expectTypeOf(() => executor.drain({ signal: undefined })).returns.resolves.toBeVoid();
    // @ts-expect-error an executor knows no prices
    expect(() => new AsyncLLMExecutor({ maxSpend: 1 })).toThrow();
    executor.close();
  });
});
