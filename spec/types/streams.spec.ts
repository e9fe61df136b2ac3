import { expectTypeOf } from 'expect-type';
import type { Observable } from 'rxjs';
import {
  LLMCallOptimizer,
  settled,
  streamWithConcurrency,
  unwrapOutcomes,
  type CallContext,
  type CallOutcome,
  type StreamCall,
  type StreamItem,
} from '../../lib';

interface News {
  readonly headline: string;
}

interface Token {
  readonly text: string;
}

declare const news$: Observable<News>;
declare const tokensOf: (news: News, signal: AbortSignal) => AsyncIterable<Token>;

/** Is compiled and never called: only its types matter. */
function typesOf(check: () => void): void {
  expect(check).toBeInstanceOf(Function);
}

describe('types of streams', () => {
  it('infer request, chunk and value of a whole chain without annotations', () => {
    typesOf(() => {
      const items$ = news$.pipe(
        streamWithConcurrency({
          open: (news, context) => {
            expectTypeOf(news).toEqualTypeOf<News>();
            expectTypeOf(context).toEqualTypeOf<CallContext>();
            return tokensOf(news, context.signal);
          },
          collect: (tokens) => {
            expectTypeOf(tokens).toEqualTypeOf<readonly Token[]>();
            return tokens.length;
          },
          isWhole: (tokens) => tokens.at(-1)?.text === '',
          usage: (tokens) => ({ outputTokens: tokens.length }),
        }),
      );
      expectTypeOf(items$).toEqualTypeOf<Observable<StreamItem<News, Token, number>>>();
      expectTypeOf(items$.pipe(settled())).toEqualTypeOf<Observable<CallOutcome<News, number>>>();
      expectTypeOf(items$.pipe(settled(), unwrapOutcomes())).toEqualTypeOf<Observable<number>>();
    });
  });

  it('follow a generator, and a call that was written before', () => {
    typesOf(() => {
      const optimizer = new LLMCallOptimizer();
      const call = {
        async *open({ headline }: News, { signal }: CallContext) {
          yield* tokensOf({ headline }, signal);
        },
        collect: (tokens: readonly Token[]) => tokens.map(({ text }) => text).join(''),
      };
      expectTypeOf(optimizer.stream(call, { headline: 'a' })).toEqualTypeOf<Observable<Token>>();
      expectTypeOf(news$.pipe(optimizer.optimizeStream(call))).toEqualTypeOf<
        Observable<StreamItem<News, Token, string>>
      >();
      const named: StreamCall<News, Token, string> = call;
      expectTypeOf(optimizer.stream(named, { headline: 'a' })).toEqualTypeOf<Observable<Token>>();
      // @ts-expect-error the request is no news
      void optimizer.stream(named, { title: 'a' });
      // @ts-expect-error one answer has no outcome to be told alone
      void optimizer.stream(named, { headline: 'a' }, { replay: 'whole' });
    });
  });

  it('narrow an item by its type', () => {
    typesOf(() => {
      const take = (item: StreamItem<News, Token, number>) => {
        switch (item.type) {
          case 'chunk':
            expectTypeOf(item.chunk).toEqualTypeOf<Token>();
            expectTypeOf(item.request).toEqualTypeOf<News>();
            break;
          case 'outcome':
            if (item.outcome.ok) {
              expectTypeOf(item.outcome.value).toBeNumber();
            } else {
              expectTypeOf(item.outcome.partial).toEqualTypeOf<number | undefined>();
            }
            break;
          default:
            expectTypeOf(item).toBeNever();
        }
      };
      expect(take).toBeDefined();
    });
  });
});
