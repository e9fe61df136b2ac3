import * as fc from 'fast-check';
import { from, map, mergeMap, of, timer } from 'rxjs';
import { prioritiesByRank, waitMultipliers, type CallPriority } from '../../lib/core/priority';
import { AdaptiveRateLimiter } from '../../lib/limiter/adaptive-rate-limiter';
import { adaptiveThrottle } from '../../lib/operators/adaptive-throttle';
import { mergeWithConcurrency } from '../../lib/operators/merge-with-concurrency';
import { inVirtualTime } from '../test-scheduler';
import { runs } from './runs';

interface Request {
  readonly number: number;
  readonly at: number;
  readonly priority: CallPriority;
  readonly tokens: number;
}

interface Start {
  readonly at: number;
  readonly request: Request;
}

const requests = fc
  .array(
    fc.record({ at: fc.nat(5000), priority: fc.constantFrom(...prioritiesByRank), tokens: fc.nat(400) }),
    { minLength: 1, maxLength: 40 },
  )
  .map((planned): Request[] =>
    planned.sort((one, other) => one.at - other.at).map((request, number) => ({ ...request, number })),
  );

function startsOf(
  planned: readonly Request[],
  config: ConstructorParameters<typeof AdaptiveRateLimiter>[0],
  isThrottled: boolean,
): Start[] {
  const starts: Start[] = [];
  inVirtualTime((scheduler) => {
    const limiter = new AdaptiveRateLimiter({ ...config, scheduler });
    const source$ = from(planned).pipe(mergeMap((request) => timer(request.at).pipe(map(() => request))));
    const paced$ = isThrottled ? source$.pipe(adaptiveThrottle(limiter)) : source$;
    paced$
      .pipe(
        mergeWithConcurrency(
          (request) => {
            starts.push({ at: scheduler.now(), request });
            return of(request);
          },
          { limiter },
        ),
      )
      .subscribe();
    scheduler.flush();
  });
  return starts;
}

describe('whatever arrives when', () => {
  it('two starts are the interval times the multiplier of the later one apart', () => {
    fc.assert(
      fc.property(
        requests,
        fc.integer({ min: 1, max: 1000 }),
        fc.boolean(),
        (planned, baseInterval, isThrottled) => {
          const starts = startsOf(planned, { baseInterval, adaptive: false }, isThrottled);
          expect(starts).toHaveLength(planned.length);
          for (let index = 1; index < starts.length; index++) {
            const { at, request } = starts[index]!;
            const wait = baseInterval * waitMultipliers[prioritiesByRank.indexOf(request.priority)]!;
            expect(at - starts[index - 1]!.at).toBeGreaterThanOrEqual(wait - 1e-6);
          }
        },
      ),
      { numRuns: runs(100) },
    );
  });

  it('requests of one priority start in the order of arrival', () => {
    fc.assert(
      fc.property(requests, fc.nat(500), fc.boolean(), (planned, baseInterval, isThrottled) => {
        const starts = startsOf(planned, { baseInterval, adaptive: false }, isThrottled);
        for (const priority of prioritiesByRank) {
          const numbers = starts
            .filter(({ request }) => request.priority === priority)
            .map(({ request }) => request.number);
          expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
        }
      }),
      { numRuns: runs(100) },
    );
  });

  it('starts stay within the budgets of requests and tokens', () => {
    fc.assert(
      fc.property(
        requests,
        fc.integer({ min: 10, max: 600 }),
        fc.integer({ min: 500, max: 5000 }),
        fc.boolean(),
        (planned, requestsPerMinute, tokensPerMinute, isThrottled) => {
          const limits = { requestsPerMinute, tokensPerMinute };
          const starts = startsOf(planned, { baseInterval: 0, limits }, isThrottled);
          expect(starts).toHaveLength(planned.length);
          for (const { at } of starts) {
            const inTheMinute = starts.filter((other) => other.at >= at && other.at < at + 60_000);
            const tokens = inTheMinute.reduce((sum, { request }) => sum + request.tokens, 0);
            expect(inTheMinute.length).toBeLessThanOrEqual(requestsPerMinute);
            expect(tokens).toBeLessThanOrEqual(tokensPerMinute);
          }
        },
      ),
      { numRuns: runs(100) },
    );
  });
});
