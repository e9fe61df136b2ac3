import { firstValueFrom, mergeMap, of, takeUntil, timer } from 'rxjs';
import { mergeWithConcurrency } from '../../lib';
import { SimulatedProvider, type SimulatedAnswer } from '../../lib/testing';
import { inVirtualTime, rethrow, runUntil } from '../test-scheduler';
import { fates, made, times } from './calls';

describe('an answer', () => {
  it('takes longer the longer it is', () => {
    expect(made({}, [{ at: 10, output: 7 }])[0]!.endedAt).toBe(10 + 300 + 35);
    const latency = { base: 100, perOutputToken: 0.4 };
    expect(made({ latency }, [{ at: 10, output: 7 }])[0]!.endedAt).toBe(10 + 103);
  });

  it('tells its number and what it cost', () => {
    expect(made({}, times(2, { at: 0, input: 5, output: 7 }))[1]!.answer).toEqual({
      content: 'answer 2',
      usage: { inputTokens: 5, outputTokens: 7 },
    });
  });

  it('comes after its report', () => {
    inVirtualTime((scheduler) => {
      const heard: unknown[] = [];
      const provider = new SimulatedProvider<string>({ headers: 'none' });
      provider
        .call('abcde', { report: (feedback) => heard.push(feedback.usage) })
        .subscribe({ next: (answer) => heard.push(answer.content), error: rethrow });
      scheduler.flush();
      expect(heard).toEqual([{ inputTokens: 2, outputTokens: 100 }, 'answer 1']);
    });
  });

  it('of calls that end at one time come in the order of the calls', () => {
    inVirtualTime((scheduler) => {
      const provider = new SimulatedProvider<number>({
        tokensOf: (output) => ({ input: 0, output }),
        latency: { perOutputToken: 1 },
      });
      const ended: string[] = [];
      of(20, 10, 0)
        .pipe(mergeMap((output, index) => timer(index * 10).pipe(mergeMap(() => provider.call(output)))))
        .subscribe({
          next: (answer) => ended.push(`${answer.content} at ${scheduler.now()}`),
          error: rethrow,
        });
      scheduler.flush();
      expect(ended).toEqual(['answer 1 at 320', 'answer 2 at 320', 'answer 3 at 320']);
    });
  });

  it('of a crowded local model is stretched by the crowd it started in', () => {
    const latency = { base: 100, perOutputToken: 0, refusal: 5, knee: 2 };
    const calls = made({ latency }, [...times(4, { at: 0 }), { at: 200 }, { at: 300 }]);
    expect(calls.map(({ at, endedAt }) => endedAt! - at)).toEqual([100, 100, 150, 200, 100, 100]);
  });

  it('is not stretched by refusals', () => {
    const calls = made(
      {
        latency: { base: 100, perOutputToken: 0, refusal: 500, knee: 1 },
        limits: [{ of: 'requests', limit: 1, window: 200 }],
      },
      [{ at: 0 }, ...times(3, { at: 0 }), { at: 200 }],
    );
    expect(calls.map(({ at, endedAt }) => endedAt! - at)).toEqual([100, 500, 500, 500, 100]);
  });

  it('costs by the characters of all strings in the request, and max_tokens', () => {
    inVirtualTime((scheduler) => {
      const usages: unknown[] = [];
      const provider = new SimulatedProvider({ latency: { perOutputToken: 0 } });
      const cyclic: Record<string, unknown> = {
        model: 'abcd',
        messages: [{ content: 'abcdef' }],
        max_tokens: 9,
      };
      cyclic['self'] = cyclic;
      for (const request of ['abcd', 'abcde', 5, null, cyclic, { max_tokens: -1 }, { max_tokens: 0 }]) {
        provider.call(request).subscribe({ next: (answer) => usages.push(answer.usage), error: rethrow });
      }
      scheduler.flush();
      expect(usages).toEqual([
        { inputTokens: 1, outputTokens: 100 },
        { inputTokens: 2, outputTokens: 100 },
        { inputTokens: 0, outputTokens: 100 },
        { inputTokens: 0, outputTokens: 100 },
        { inputTokens: 3, outputTokens: 9 },
        { inputTokens: 0, outputTokens: 100 },
        { inputTokens: 0, outputTokens: 0 },
      ]);
    });
  });

  it('does not come where the tokens make no sense', () => {
    const provider = new SimulatedProvider<string>({ tokensOf: () => ({ input: NaN, output: 1 }) });
    let error: unknown;
    provider.call('x').subscribe({ error: (thrown: unknown) => (error = thrown) });
    expect(error).toEqual(
      new RangeError('tokensOf(request).input must be a finite number of at least 0, but is NaN.'),
    );
    expect(provider.statistics.calls).toBe(0);
  });

  it('of one call does not suffer from the report of another', () => {
    inVirtualTime((scheduler) => {
      const provider = new SimulatedProvider<string>();
      const ended: unknown[] = [];
      const report = () => {
        throw new Error('no ears');
      };
      provider
        .call('a', { report })
        .subscribe({ error: (error: unknown) => ended.push((error as Error).message) });
      provider.call('b').subscribe({ next: (answer) => ended.push(answer.content), error: rethrow });
      scheduler.flush();
      expect(ended).toEqual(['no ears', 'answer 2']);
    });
  });
});

describe('an outage', () => {
  const outages = [{ from: 1000, until: 2000, failureRate: 1, status: 529, retryAfter: 1500 }];

  it('fails calls from its first moment on until its end', () => {
    const calls = made({ outages }, [{ at: 999 }, { at: 1000 }, { at: 1999 }, { at: 2000 }]);
    expect(fates(calls)).toBe('+--+');
    expect(calls[1]!.endedAt).toBe(1100);
    expect(calls[1]!.error).toMatchObject({
      status: 529,
      type: 'server_error',
      headers: { 'retry-after': '2' },
    });
    expect(calls[1]!.error!.code).toBeUndefined();
  });

  it('hints in the form of refusals where that is not a text', () => {
    const hintOf = (retryAfter: 'milliseconds' | 'body' | 'message' | 'none') => {
      const { headers, error } = made({ outages, retryAfter }, [{ at: 1000 }])[0]!.error!;
      return { headers, details: (error as { details?: unknown }).details };
    };
    expect(hintOf('milliseconds').headers).toEqual({ 'retry-after-ms': '1500' });
    expect(hintOf('body')).toEqual({
      headers: {},
      details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.5s' }],
    });
    expect(hintOf('message').headers).toEqual({ 'retry-after': '2' });
    expect(hintOf('none').headers).toEqual({ 'retry-after': '2' });
  });

  it('does not give back what the call was billed, and leaves refusing to the limits', () => {
    const limits = [{ of: 'requests', limit: 2 } as const];
    const calls = made({ limits, outages: [{ from: 0, until: 10, failureRate: 1 }] }, [
      ...times(3, { at: 0 }),
      { at: 10 },
    ]);
    expect(calls.map(({ error }) => error?.status)).toEqual([503, 503, 429, 429]);
    expect(calls[0]!.error!.headers).toMatchObject({ 'x-ratelimit-remaining-requests': '1' });
  });

  it('fails calls by chance, the same ones with the same seed', () => {
    const failed = (seed: number) =>
      fates(made({ seed, outages: [{ from: 0, until: 1e6, failureRate: 0.9 }] }, times(1000, { at: 0 })));
    const share = failed(7).replaceAll('+', '').length / 1000;
    expect(share).toBeGreaterThan(0.87);
    expect(share).toBeLessThan(0.93);
    expect(failed(7)).toBe(failed(7));
    expect(failed(7)).not.toBe(failed(8));
  });

  it('is waited for by the books', () => {
    inVirtualTime(() => {
      const forever = [...outages, { from: 5000, until: Infinity, failureRate: 0.5 }];
      expect(new SimulatedProvider({ outages: forever }).admitsAt('x')).toBe(0);
      const down = [{ from: 0, until: 1000, failureRate: 0.1 }, ...outages];
      expect(new SimulatedProvider({ outages: down }).admitsAt('x')).toBe(2000);
      const never = [{ from: 0, until: Infinity, failureRate: 0.1 }];
      expect(new SimulatedProvider({ outages: never }).admitsAt('x')).toBe(Infinity);
      const harmless = [{ from: 0, until: 1000, failureRate: 0 }];
      expect(new SimulatedProvider({ outages: harmless }).admitsAt('x')).toBe(0);
    });
  });
});

describe('who leaves', () => {
  it('leaves no timer behind, and has paid', () => {
    runUntil(20, ({ scheduler }) => {
      const provider = new SimulatedProvider<string>({ limits: [{ of: 'requests', limit: 1 }] });
      provider
        .call('a')
        .pipe(takeUntil(timer(20)))
        .subscribe({ error: rethrow });
      provider
        .call('b')
        .pipe(takeUntil(timer(20)))
        .subscribe({ error: rethrow });
      scheduler.flush();
      expect(provider.statistics).toEqual({
        calls: 2,
        answered: 0,
        refused: 0,
        failed: 0,
        aborted: 2,
        running: 0,
        mostRunning: 2,
      });
      expect(provider.admitsAt('c')).toBe(60_000);
    });
  });

  it('does not disturb another call that ends at the same time', () => {
    runUntil(800, ({ scheduler }) => {
      const provider = new SimulatedProvider<string>();
      const answers: SimulatedAnswer[] = [];
      const [first] = ['a', 'b'].map((request) =>
        provider.call(request).subscribe({ next: (answer) => answers.push(answer), error: rethrow }),
      );
      first!.unsubscribe();
      scheduler.flush();
      expect(answers.map(({ content }) => content)).toEqual(['answer 2']);
    });
  });

  it('may leave by signal', async () => {
    const provider = new SimulatedProvider<string>();
    const controller = new AbortController();
    const { signal } = controller;
    const ask = (request: string) =>
      firstValueFrom(provider.call(request, { signal }), { defaultValue: undefined });
    const answer = ask('a');
    controller.abort(new Error('enough'));
    await expect(answer).rejects.toThrow('enough');
    await expect(ask('b')).rejects.toThrow('enough');
    expect(provider.statistics).toMatchObject({ calls: 1, aborted: 1, running: 0 });
  });

  it('may leave by signal without a timer left', () => {
    runUntil(0, ({ scheduler }) => {
      const provider = new SimulatedProvider<string>();
      const controller = new AbortController();
      provider.call('a', { signal: controller.signal }).subscribe({ error: () => undefined });
      controller.abort();
      scheduler.flush();
    });
  });

  it('frees the crowd', () => {
    inVirtualTime((scheduler) => {
      const provider = new SimulatedProvider<string>({ latency: { base: 100, perOutputToken: 0, knee: 1 } });
      provider.call('a').subscribe({ error: rethrow }).unsubscribe();
      provider.call('b').subscribe({ complete: () => expect(scheduler.now()).toBe(100), error: rethrow });
      scheduler.flush();
      expect(provider.statistics.answered).toBe(1);
      expect.assertions(2);
    });
  });

  it('may leave an rxllm pipeline', () => {
    runUntil(20, ({ scheduler }) => {
      const provider = new SimulatedProvider<string>();
      of('a', 'b')
        .pipe(mergeWithConcurrency(provider.call, 2), takeUntil(timer(20)))
        .subscribe({ error: rethrow });
      scheduler.flush();
      expect(provider.statistics).toMatchObject({ calls: 2, aborted: 2, running: 0 });
    });
  });
});

describe('statistics', () => {
  it('count what became of each call, as a snapshot', () => {
    inVirtualTime((scheduler) => {
      const provider = new SimulatedProvider<string>({
        limits: [{ of: 'requests', limit: 3 }],
        outages: [{ from: 0, until: 1, failureRate: 1 }],
      });
      const ask = () => provider.call('x').subscribe({ error: () => undefined });
      ask();
      timer(1).subscribe({ next: ask, error: rethrow });
      timer(1).subscribe({ next: () => ask().unsubscribe(), error: rethrow });
      timer(2).subscribe({ next: ask, error: rethrow });
      const before = provider.statistics;
      expect(before).toMatchObject({ calls: 1, running: 1, mostRunning: 1, answered: 0 });
      scheduler.flush();
      expect(provider.statistics).toEqual({
        calls: 4,
        answered: 1,
        refused: 1,
        failed: 1,
        aborted: 1,
        running: 0,
        mostRunning: 3,
      });
      expect(before.calls).toBe(1);
    });
  });
});

describe('calls that take no time', () => {
  const latency = { base: 0, perOutputToken: 0 };

  it('are answered later all the same, when others of their moment have been', () => {
    inVirtualTime((scheduler) => {
      const provider = new SimulatedProvider<string>({ latency });
      const heard: string[] = [];
      const ask = (request: string) =>
        provider.call(request).subscribe({ next: (answer) => heard.push(answer.content), error: rethrow });
      ask('a');
      timer(0).subscribe({
        next: () => {
          ask('b');
          heard.push('asked');
        },
        error: rethrow,
      });
      scheduler.flush();
      expect(heard).toEqual(['answer 1', 'asked', 'answer 2']);
    });
  });

  it('may leave when another of their moment is answered and asks again', () => {
    inVirtualTime((scheduler) => {
      const provider = new SimulatedProvider<string>({ latency });
      const heard: string[] = [];
      const ask = (request: string, next: () => void) =>
        provider.call(request).subscribe({
          next: (answer) => {
            heard.push(answer.content);
            next();
          },
          error: rethrow,
        });
      ask('a', () => {
        ask('c', () => undefined);
        second.unsubscribe();
      });
      const second = ask('b', () => undefined);
      scheduler.flush();
      expect(heard).toEqual(['answer 1', 'answer 3']);
    });
  });
});

describe('a provider of its own scheduler', () => {
  it('counts time from when it was made', () => {
    inVirtualTime((scheduler) => {
      scheduler.schedule(() => {
        const provider = new SimulatedProvider<string>({
          scheduler,
          limits: [{ of: 'requests', limit: 1, window: 1000, kind: 'fixed-window' }],
          outages: [{ from: 2000, until: 3000, failureRate: 1 }],
        });
        provider.call('a').subscribe({ error: rethrow });
        expect(provider.admitsAt('b')).toBe(1700);
        scheduler.schedule(() => expect(provider.admitsAt('b')).toBe(1700), 900);
        scheduler.schedule(() => expect(provider.admitsAt('b')).toBe(1701), 1001);
        scheduler.schedule(() => expect(provider.admitsAt('b')).toBe(3700), 2500);
      }, 700);
      scheduler.flush();
      expect.assertions(4);
    });
  });
});
