import { readdirSync, readFileSync } from 'node:fs';
import { concat, concatMap, map, NEVER, of, throwError } from 'rxjs';
import { AdaptiveRateLimiter } from '../../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../../lib/operators/adaptive-throttle';
import { cacheLLM } from '../../../lib/operators/cache-llm';
import { mergeWithConcurrency } from '../../../lib/operators/merge-with-concurrency';
import { streamWithConcurrency } from '../../../lib/operators/stream-with-concurrency';
import { unwrapOutcomes } from '../../../lib/operators/unwrap-outcomes';
import { LLMCallOptimizer } from '../../../lib/optimizer/llm-call-optimizer';
import { diagramAbove, subscriptionTo } from '../../operators/documented-marbles';
import { joining } from '../../streams';
import { runUntil } from '../../test-scheduler';
import { diagramIn } from './marbles';
import { drawn } from './svg';

/** Where the diagrams are that this file runs; those of `cache/result-cache-config.ts` are run by the specs of `cacheLLM`. */
const places: readonly (readonly [file: string, above: string])[] = [
  ['limiter/adaptive-rate-limiter.ts', 'export class AdaptiveRateLimiter'],
  ['operators/adaptive-throttle.ts', 'export function adaptiveThrottle'],
  ['operators/cache-llm.ts', 'export function cacheLLM'],
  ['operators/merge-with-concurrency.ts', 'export function mergeWithConcurrency'],
  ['operators/stream-with-concurrency.ts', 'export function streamWithConcurrency'],
  ['operators/unwrap-outcomes.ts', 'export function unwrapOutcomes'],
  ['optimizer/llm-call-optimizer.ts', '  optimize<'],
  ['optimizer/llm-call-optimizer.ts', '  optimizeStream<'],
];
const documented = (name: string) => {
  const [file, above] = places.find(([, line]) => new RegExp(`\\b${name}\\b`).test(line))!;
  return diagramAbove(file, above);
};

describe('the marble diagrams of doc comments', () => {
  it('are all run, here or with the options of the cache', () => {
    const files = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const drawing = files.flatMap((file) =>
      [...readFileSync(`lib/${file}`, 'utf8').matchAll(/\* ```\n(.*?)\n *\* *```/gs)]
        .filter(([, block]) => diagramIn(block!.replace(/^ *\* ?/gm, '')))
        .map(() => file),
    );
    const others = drawing.filter((file) => file !== 'cache/result-cache-config.ts');
    expect(others.sort()).toEqual(places.map(([file]) => file));
    expect(drawing.length - others.length).toBe(6);
  });

  it('show mergeWithConcurrency', () => {
    const { settings, lines, rows } = documented('mergeWithConcurrency');
    expect(settings).toBe('maxConcurrent: 2');
    runUntil(lines['source']!.length - 1, ({ cold, expectObservable, expectSubscriptions }) => {
      const calls = ['a', 'b', 'c'].map(
        (letter) => [letter, rows[`call ${letter}`]!, cold(lines[`call ${letter}`]!)] as const,
      );
      const call = (letter: string) => calls.find(([name]) => name === letter)![2];
      const values$ = cold(lines['source']!).pipe(
        mergeWithConcurrency(call, { maxConcurrent: 2 }),
        unwrapOutcomes(),
      );
      expectObservable(values$).toBe(lines['outcomes']!);
      for (const [, row, { subscriptions }] of calls) {
        expectSubscriptions(subscriptions).toBe(subscriptionTo(row));
      }
    });
  });

  it('show adaptiveThrottle', () => {
    const { settings, lines } = documented('adaptiveThrottle');
    expect(settings).toBe('baseInterval: 3, adaptive: false');
    runUntil(6, ({ cold, expectObservable }) => {
      const throttled$ = cold(lines['source']!).pipe(adaptiveThrottle({ baseInterval: 3, adaptive: false }));
      expectObservable(throttled$).toBe(lines['throttled']!);
    });
  });

  it('show the limiter', () => {
    const { settings, lines } = documented('AdaptiveRateLimiter');
    expect(settings).toBe('baseInterval: 3, adaptive: false');
    runUntil(6, ({ cold, expectObservable }) => {
      const limiter = new AdaptiveRateLimiter({ baseInterval: 3, adaptive: false });
      const starts$ = concat(cold(lines['requests']!), NEVER).pipe(
        concatMap((letter) => limiter.acquire().pipe(map((permit) => (permit.release(), letter)))),
      );
      expectObservable(starts$).toBe(lines['starts']!);
    });
  });

  it('show cacheLLM', () => {
    const { lines, rows } = documented('cacheLLM');
    runUntil(lines['requests']!.length - 1, ({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold(lines['call a']!);
      const b = cold(lines['call b']!);
      const values$ = cold(lines['requests']!).pipe(
        cacheLLM((misses$) => {
          expectObservable(misses$).toBe(lines['misses$']!);
          return misses$.pipe(mergeWithConcurrency((letter) => (letter === 'a' ? a : b)));
        }),
        unwrapOutcomes(),
      );
      expectObservable(values$).toBe(lines['outcomes']!);
      expectSubscriptions(a.subscriptions).toBe(subscriptionTo(rows['call a']!));
      expectSubscriptions(b.subscriptions).toBe(subscriptionTo(rows['call b']!));
    });
  });

  it('show streamWithConcurrency', () => {
    const { settings, lines, rows } = documented('streamWithConcurrency');
    expect(settings).toBe('maxConcurrent: 1');
    runUntil(lines['source']!.length - 1, ({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold(lines['open a']!);
      const b = cold(lines['open b']!);
      const ask = joining((letter: string) => (letter === 'a' ? a : b));
      const items$ = cold(lines['source']!).pipe(
        streamWithConcurrency(ask, { maxConcurrent: 1 }),
        map((item) => (item.type === 'chunk' ? item.chunk : item.request.toUpperCase())),
      );
      expectObservable(items$).toBe(lines['items']!);
      expectSubscriptions(a.subscriptions).toBe(subscriptionTo(rows['open a']!));
      expectSubscriptions(b.subscriptions).toBe(subscriptionTo(rows['open b']!));
    });
  });

  it('show unwrapOutcomes', () => {
    const { lines, rows } = documented('unwrapOutcomes');
    runUntil(lines['values']!.length - 1, ({ cold, expectObservable, expectSubscriptions }) => {
      const onFailure = cold(lines['onFailure']!);
      const values$ = cold(lines['outcomes']!).pipe(
        mergeWithConcurrency((letter) => (letter === 'x' ? throwError(() => new Error('down')) : of(letter))),
        unwrapOutcomes(() => onFailure),
      );
      expectObservable(values$).toBe(lines['values']!);
      expectSubscriptions(onFailure.subscriptions).toBe(`${'-'.repeat(rows['onFailure']!.startsAt)}(^!)`);
    });
  });

  it('show optimize', () => {
    const { lines } = documented('optimize');
    runUntil(lines['requests']!.length - 1, ({ cold, expectObservable, expectSubscriptions }) => {
      const optimizer = new LLMCallOptimizer();
      const calls = { a: cold('---(A|)'), b: cold('---(B|)') };
      const values$ = cold<'a' | 'b'>(lines['requests']!).pipe(
        optimizer.optimize((letter) => calls[letter]),
        unwrapOutcomes(),
      );
      expectObservable(values$).toBe(lines['outcomes']!);
      expectSubscriptions(calls.a.subscriptions).toBe('-^--!');
    });
  });

  it('show optimizeStream', () => {
    const { lines, rows } = documented('optimizeStream');
    runUntil(lines['requests']!.length - 1, ({ cold, expectObservable, expectSubscriptions }) => {
      const a = cold(lines['open a']!);
      const b = cold(lines['open b']!);
      const ask = joining((letter: string) => (letter === 'a' ? a : b));
      const items$ = cold(lines['requests']!).pipe(
        new LLMCallOptimizer().optimizeStream(ask),
        map((item) => (item.type === 'chunk' ? item.chunk : item.request.toUpperCase())),
      );
      expectObservable(items$).toBe(lines['items']!);
      expectSubscriptions(a.subscriptions).toBe(subscriptionTo(rows['open a']!));
      expectSubscriptions(b.subscriptions).toBe(subscriptionTo(rows['open b']!));
    });
  });
});

describe('diagrams', () => {
  it('are read from a block of code', () => {
    expect(diagramIn('limit: 2\nsource  -a|\ncall a   --(A|)      (late)\n')).toEqual({
      settings: 'limit: 2',
      rows: [
        { name: 'source', marbles: '-a|', startsAt: 0, note: '' },
        { name: 'call a', marbles: '--(A|)', startsAt: 1, note: 'late' },
      ],
    });
  });

  it.each(['npm install rxllm', 'one line\nand another', 'source  -a|\nnot a row: of this'])(
    'are not seen in %j',
    (block) => expect(diagramIn(block)).toBeUndefined(),
  );

  it('are drawn in time, each row from its start to its end', () => {
    const svg = drawn(diagramIn('limit: 2 & more\nsource  -a|\ncall a   --(A|)      (late)')!);
    const circles = [...svg.matchAll(/<circle cx="(\d+)"/g)].map(([, x]) => Number(x));
    const [source, call] = [...svg.matchAll(/<path d="M(\d+) \d+H(\d+)"/g)].map(([, ...ends]) =>
      ends.map(Number),
    );
    expect(circles).toEqual([source![0]! + 24, call![0]! + 48]);
    expect(call).toEqual([source![0]! + 24, source![0]! + 24 + 72]);
    expect(svg).toContain('<figcaption>limit: 2 &amp; more<br>late</figcaption>');
  });
});
