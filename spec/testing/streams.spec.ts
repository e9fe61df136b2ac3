/* eslint-disable rxjs-x/no-ignored-error -- an error that nothing handles fails the spec, as RxJS rethrows it */
import { from, of, take, type Observable } from 'rxjs';
import { classifyError, LLMCallOptimizer, settled, streamWithConcurrency } from '../../lib';
import { SimulatedProvider, type SimulatedChunk, type SimulatedProviderConfig } from '../../lib/testing';
import { inVirtualTime, runUntil, type WatchedTestScheduler } from '../test-scheduler';

interface Question {
  readonly text: string;
  readonly max_tokens: number;
}

const question = (max_tokens: number): Question => ({ text: '12345678', max_tokens });

/** What comes of a stream, each with its time. */
function heardFrom(
  config: SimulatedProviderConfig<Question>,
  open: (provider: SimulatedProvider<Question>) => Observable<SimulatedChunk>,
): { heard: string[]; provider: SimulatedProvider<Question> } {
  return inVirtualTime((scheduler: WatchedTestScheduler) => {
    const provider = new SimulatedProvider<Question>({ scheduler, ...config });
    const heard: string[] = [];
    const note = (what: string) => heard.push(`${scheduler.now()}: ${what}`);
    open(provider).subscribe({
      next: ({ content, usage }) => note(`${content}${usage ? ` (${JSON.stringify(usage)})` : ''}`),
      error: (error: unknown) => note(String(error)),
      complete: () => note('|'),
    });
    scheduler.flush();
    return { heard, provider };
  });
}

const open = (max_tokens: number) => (provider: SimulatedProvider<Question>) =>
  from(provider.stream.open(question(max_tokens), undefined as never));

describe('a simulated stream', () => {
  it('has a time to the first token and a rate of tokens; the usage is on the last one', () => {
    const { heard, provider } = heardFrom(
      { streaming: { timeToFirstToken: 400, tokensPerSecond: 100 } },
      open(3),
    );
    expect(heard).toEqual([
      '400: answer 1',
      '410:  2',
      '420:  3 ({"inputTokens":2,"outputTokens":3})',
      '420: |',
    ]);
    expect(provider.statistics).toMatchObject({ calls: 1, answered: 1, running: 0 });
  });

  it('takes both from the latency, if it is told nothing else', () => {
    const { heard } = heardFrom({ latency: { base: 100, perOutputToken: 20 } }, open(2));
    expect(heard.map((line) => line.split(':')[0])).toEqual(['100', '120', '120']);
  });

  it('comes at once at an infinite rate', () => {
    const { heard } = heardFrom({ streaming: { timeToFirstToken: 5, tokensPerSecond: Infinity } }, open(3));
    expect(heard.map((line) => line.split(':')[0])).toEqual(['5', '5', '5', '5']);
  });

  it('dies in the middle: after the first token, before the last', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { heard, provider } = heardFrom({ seed, streaming: { deathRate: 1 } }, open(4));
      expect(heard.at(-1)).toMatch(/TypeError: terminated$/);
      expect(heard.length).toBeGreaterThanOrEqual(2);
      expect(heard.length).toBeLessThanOrEqual(4);
      expect(provider.statistics).toMatchObject({ failed: 1, answered: 0, running: 0 });
    }
  });

  it('dies as a broken connection does, as often as it is told to', () => {
    let deaths = 0;
    inVirtualTime((scheduler) => {
      const provider = new SimulatedProvider<Question>({ scheduler, streaming: { deathRate: 0.3 } });
      for (let call = 0; call < 1000; call++) {
        from(provider.stream.open(question(3), undefined as never)).subscribe({
          error: (error: unknown) => {
            expect(classifyError(error).kind).toBe('transient');
            deaths++;
          },
        });
      }
      scheduler.flush();
    });
    expect(Math.abs(deaths - 300)).toBeLessThan(50);
  });

  it('stops when it is left, and was billed all the same', () => {
    const { heard, provider } = heardFrom({}, (provider) => open(5)(provider).pipe(take(2)));
    expect(heard).toHaveLength(3);
    expect(provider.statistics).toMatchObject({ calls: 1, aborted: 1, running: 0 });
  });

  it('is refused and fails as other calls are', () => {
    const { heard } = heardFrom({ refuse: () => true }, open(5));
    expect(heard).toEqual([expect.stringMatching(/^100: SimulatedProviderError: 429/)]);
  });

  it('is whole with its last token only', () => {
    const { stream } = new SimulatedProvider<Question>();
    const usage = { inputTokens: 1, outputTokens: 2 };
    const first = { content: 'answer 1' };
    const last = { content: ' 2', usage };
    expect(stream.isWhole!([first])).toBe(false);
    expect(stream.isWhole!([first, last])).toBe(true);
    expect(stream.collect([first, last])).toEqual({ content: 'answer 1 2', usage });
    expect(stream.usage!([first])).toBeUndefined();
  });

  it('runs through the operators, headers and usage too', () => {
    runUntil(321, ({ expectObservable, scheduler }) => {
      const provider = new SimulatedProvider<Question>({
        scheduler,
        limits: [{ of: 'requests', limit: 60 }],
        latency: { base: 300, perOutputToken: 10 },
      });
      const optimizer = new LLMCallOptimizer({ scheduler });
      expectObservable(optimizer.stream(provider.stream, question(3))).toBe('300ms a 9ms b 9ms (c|)', {
        a: { content: 'answer 1' },
        b: { content: ' 2' },
        c: { content: ' 3', usage: { inputTokens: 2, outputTokens: 3 } },
      });
      scheduler.schedule(() => {
        const { metrics, streams, rateLimiter } = optimizer.getStats();
        expect(metrics).toMatchObject({ outputTokens: 3, inputTokens: 2 });
        expect(streams).toMatchObject({ started: 1, tokensPerSecond: 150 });
        expect(rateLimiter).toMatchObject({ requests: { perMinute: 60 } });
        optimizer.close();
      }, 321);
    });
  });

  it('that dies is a failed outcome with what had come', () => {
    inVirtualTime((scheduler) => {
      const provider = new SimulatedProvider<Question>({ scheduler, streaming: { deathRate: 1 } });
      const outcomes: unknown[] = [];
      of(question(9))
        .pipe(streamWithConcurrency(provider.stream, { scheduler, retry: true }), settled())
        .subscribe((outcome) => outcomes.push(outcome));
      scheduler.flush();
      const partial = { content: expect.stringMatching(/^answer 1/) as unknown };
      expect(outcomes).toMatchObject([{ ok: false, attempts: 1, partial }]);
    });
  });
});
