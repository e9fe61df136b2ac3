import type { Clock } from '../../lib/core/clock';
import { RetryPolicy, type RetryConfig } from '../../lib/provider/retry-policy';

const failed = (status: number, headers: Record<string, string> = {}) =>
  Object.assign(new Error('failed'), { status, headers });

/** A clock that is set by hand. */
function handClock(): Clock & { time: number } {
  return {
    time: 0,
    now() {
      return this.time;
    },
    date() {
      return this.time;
    },
    schedule: () => () => undefined,
  };
}

function policyWith(config: RetryConfig = {}) {
  const clock = handClock();
  return { clock, policy: new RetryPolicy({ random: () => 0.5, ...config }, clock) };
}

describe('RetryPolicy', () => {
  it('draws each back-off from twice the range of the one before, up to maxDelay', () => {
    const { policy } = policyWith({ attempts: 10, baseDelay: 100, maxDelay: 500 });
    const delays = [1, 2, 3, 4, 5].map((attempt) =>
      policy.decide(policy.classify(failed(500)), attempt, 0, 0, undefined),
    );
    expect(delays).toEqual([50, 100, 200, 250, 250].map((delay) => ({ retry: true, delay })));
  });

  it('waits and gives up by the clock however many calls have failed, without a base delay too', () => {
    const { clock, policy } = policyWith({ baseDelay: 0, attempts: Infinity, maxElapsed: 3000 });
    expect(policy.decide({ kind: 'wait' }, 5000, 5000, 0)).toEqual({ retry: true, delay: 1 });
    expect(policy.decide({ kind: 'transient' }, 5000, 0, 0)).toEqual({ retry: true, delay: 0 });
    clock.time = 3000;
    expect(policy.decide({ kind: 'wait' }, 5000, 5000, 0)).toEqual({ retry: false });
  });

  it('gives up when the attempts are used up, not counting refusals', () => {
    const { policy } = policyWith({ attempts: 3 });
    expect(policy.decide(policy.classify(failed(500)), 2, 0, 0, undefined)).toMatchObject({ retry: true });
    expect(policy.decide(policy.classify(failed(500)), 3, 0, 0, undefined)).toEqual({ retry: false });
    expect(policy.decide(policy.classify(failed(500)), 7, 5, 0, undefined)).toMatchObject({ retry: true });
    expect(policy.decide(policy.classify(failed(500)), 8, 5, 0, undefined)).toEqual({ retry: false });
  });

  it('lets the hint of the provider come first, even above maxDelay', () => {
    const { policy } = policyWith({ maxDelay: 1000 });
    expect(policy.decide(policy.classify(failed(429, { 'retry-after': '60' })), 1, 1, 0, undefined)).toEqual({
      retry: true,
      delay: 60_000,
    });
    expect(policy.decide(policy.classify(failed(500, { 'retry-after': '2' })), 1, 0, 0, undefined)).toEqual({
      retry: true,
      delay: 2000,
    });
  });

  it('lengthens no back-off for refusals that chance explains', () => {
    const { policy } = policyWith({ baseDelay: 100, maxDelay: 10_000 });
    const delayOf = (refusals: number, expectedRefusals: number) =>
      policy.decide({ kind: 'wait' }, refusals, refusals, 0, { expectedRefusals, wasProbe: false });
    expect([1, 2, 3, 4, 5].map((refusals) => delayOf(refusals, 3))).toEqual(
      [50, 50, 50, 50, 100].map((delay) => ({ retry: true, delay })),
    );
  });

  it('charges the probe of an outage to no attempts and to no budget', () => {
    const { policy } = policyWith({ attempts: 2, baseDelay: 100 });
    const wasProbe = { expectedRefusals: 0, wasProbe: true };
    for (let attempt = 2; attempt <= 200; attempt++) {
      expect(policy.decide({ kind: 'transient' }, attempt, attempt - 1, 0, wasProbe)).toEqual({
        retry: true,
        delay: 50,
      });
    }
    const last = policy.decide({ kind: 'transient' }, 201, 199, 0, { ...wasProbe, wasProbe: false });
    expect(last).toEqual({ retry: false });
  });

  it('tries refusals again until maxElapsed, however many there were', () => {
    const { clock, policy } = policyWith({ attempts: 1, maxElapsed: 10_000 });
    clock.time = 9000;
    expect(
      policy.decide(policy.classify(failed(429, { 'retry-after': '1' })), 500, 500, 0, undefined),
    ).toEqual({
      retry: true,
      delay: 1000,
    });
    clock.time = 9001;
    expect(
      policy.decide(policy.classify(failed(429, { 'retry-after': '1' })), 500, 500, 0, undefined),
    ).toEqual({
      retry: false,
    });
  });

  it('stops transient retries when the budget is spent, and refills it with time and with calls', () => {
    const { clock, policy } = policyWith({ attempts: Infinity, maxElapsed: Infinity });
    const retries = () => policy.decide(policy.classify(failed(500)), 1, 0, 0, undefined).retry;
    let allowed = 0;
    while (retries()) {
      allowed++;
    }
    expect(allowed).toBe(100);
    for (let started = 0; started < 5; started++) {
      policy.started();
    }
    expect([retries(), retries()]).toEqual([true, false]);
    clock.time += 200;
    expect([retries(), retries(), retries()]).toEqual([true, true, false]);
  });

  it('charges refusals to no budget', () => {
    const { policy } = policyWith();
    for (let refusals = 1; refusals <= 1000; refusals++) {
      expect(policy.decide(policy.classify(failed(429)), refusals, refusals, 0, undefined).retry).toBe(true);
    }
  });

  it('takes a classifier that throws for one that does not know the error', () => {
    const { policy } = policyWith({
      classifyError: () => {
        throw new Error('thrown');
      },
    });
    expect(policy.classify(failed(500))).toEqual({ kind: 'unknown' });
    expect(policy.decide(policy.classify(failed(500)), 1, 0, 0, undefined)).toEqual({ retry: false });
  });

  it.each<[string, RetryConfig]>([
    ['retry.attempts', { attempts: 0 }],
    ['retry.baseDelay', { baseDelay: -1 }],
    ['retry.maxDelay', { maxDelay: Infinity }],
    ['retry.maxElapsed', { maxElapsed: NaN }],
    ['retry.budgetRatio', { budgetRatio: -1 }],
    ['retry.classifyError', { classifyError: 5 as never }],
    ['retry.random', { random: 0.5 as never }],
  ])('names %s when it is wrong', (field, config) => {
    expect(() => policyWith(config)).toThrow(field);
  });
});
