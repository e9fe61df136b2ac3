import Bottleneck from 'bottleneck';
import { CallPriority } from '../../../lib/index';
import { tallyOf, type Client } from '../client';
import { mostRunning } from '../most-running';
import { longestBackOff, retriesFor } from '../retries';
import type { ToldLimit } from '../shape';
import { expectedTokens } from '../told-limit';

export const bottleneck: Client = {
  name: 'bottleneck',
  title: 'Bottleneck',
  setUp:
    'told the true limit: `minTime` where it is per second, else a reservoir that refills as the provider does ' +
    '(in tokens by `weight` where tokens bind); `maxConcurrent: 100`; the `failed` handler retries 10 times, ' +
    'after 1 s and doubled each time; 30 times, at most 10 s apart, where more than limits refuses calls',
  readsAnswers: false,
  hasPriorities: true,
  async run(requests$, provider, shape) {
    const { told } = shape;
    const retries = retriesFor(shape, 10);
    const longest = shape.otherReasons ? longestBackOff : Infinity;
    const limiter = new Bottleneck(paceOf(told));
    // The readme's section on retries: "simply return an integer from the 'failed' event handler".
    limiter.on('failed', (_error: unknown, { retryCount }: { readonly retryCount: number }) =>
      Promise.resolve(retryCount < retries ? Math.min(longest, 1_000 * 2 ** retryCount) : undefined),
    );
    // A weight counts against `maxConcurrent` too, and `chain` passes it on, so weighed calls have slots of their own.
    const slots = told?.of === 'tokens' ? new Bottleneck({ maxConcurrent: mostRunning }) : undefined;
    const tally = await tallyOf(requests$, (request) => {
      const priority = request.priority === CallPriority.CRITICAL ? 0 : 5;
      return slots
        ? limiter.schedule({ priority, weight: expectedTokens(request) }, () =>
            slots.schedule({ priority }, () => provider.ask(request)),
          )
        : limiter.schedule({ priority }, () => provider.ask(request));
    });
    await limiter.disconnect();
    return tally;
  },
};

/**
 * The readme: "to execute 3 requests per second: `minTime: 333`"; where "your use case requires executing requests in
 * bursts or every time a quota resets, look into Reservoir Intervals", of which the increase interval (its example is
 * Shopify's bucket) fits a bucket, and the refresh interval a window. Both "also use maxConcurrent".
 */
function paceOf(told: ToldLimit | undefined): Bottleneck.ConstructorOptions {
  if (!told) return { maxConcurrent: mostRunning };
  const { of, cap, interval, refill } = told;
  const bounded = of === 'tokens' ? {} : { maxConcurrent: mostRunning };
  if (interval <= 1_000) return { ...bounded, minTime: Math.ceil(interval / cap) };
  if (refill === 'at-once') {
    return { ...bounded, reservoir: cap, reservoirRefreshAmount: cap, reservoirRefreshInterval: interval };
  }
  // In whole amounts at multiples of 250 ms, which is what reservoir intervals take.
  const seconds = [1, 2, 3, 6].find((count) => Number.isInteger((cap * count * 1_000) / interval)) ?? 60;
  return {
    ...bounded,
    reservoir: cap,
    reservoirIncreaseAmount: (cap * seconds * 1_000) / interval,
    reservoirIncreaseInterval: seconds * 1_000,
    reservoirIncreaseMaximum: cap,
  };
}
