import pRetry from 'p-retry';
import pThrottle from 'p-throttle';
import { tallyOf, type Client } from '../client';
import { retryOptions } from '../retries';
import type { ShapeRequest } from '../shape';
import { expectedTokens } from '../told-limit';

// p-throttle's readme: `strict` throttles "each call individually, ensuring the limit is not exceeded for any
// interval"; `weight` is "useful for rate limiting APIs that use point-based or cost-based limits". `pRetry` stands
// around the throttled function, so that a retry is throttled too.
export const pThrottleTold: Client = {
  name: 'p-throttle',
  title: 'p-throttle + p-retry',
  setUp:
    '`limit` and `interval` told the true limit (in tokens by `weight` where tokens bind), `strict: true`; ' +
    '`pRetry` with its defaults around it, or 30 retries at most 10 s apart where more than limits refuses calls; ' +
    'left out where there is no limit',
  readsAnswers: false,
  hasPriorities: false,
  // It is nothing without a limit.
  needsLimit: true,
  run(requests$, provider, shape) {
    const told = shape.told!;
    const throttle = pThrottle({
      limit: told.cap,
      interval: told.interval,
      strict: true,
      ...(told.of === 'tokens' && { weight: (request: ShapeRequest) => expectedTokens(request) }),
    });
    const throttled = throttle((request: ShapeRequest) => provider.ask(request));
    return tallyOf(requests$, (request) => pRetry(() => throttled(request), retryOptions(shape)));
  },
};
