import PQueue from 'p-queue';
import pRetry from 'p-retry';
import { CallPriority } from '../../../lib/index';
import { tallyOf, type Client } from '../client';
import { mostRunning } from '../most-running';
import { retryOptions } from '../retries';
import { asIs, tooHigh, type Telling } from '../told-limit';

// p-queue's readme on `intervalCap` and `interval`, and on `strict`: "Use it when you need guaranteed rate-limit
// compliance, such as when interacting with APIs that enforce strict rate limits". p-retry's readme runs the request
// inside `pRetry`, with 10 retries from 1 s on, doubled each time; a job is "Promise-returning", so that is the job.
function pQueue(
  name: string,
  title: string,
  limitTold: string,
  telling: Telling,
  needsLimit: boolean,
): Client {
  return {
    name,
    title,
    setUp: `\`concurrency: 100\`, \`strict: true\`, \`interval\` and \`intervalCap\` told ${limitTold}; each job a \`pRetry\` with its defaults (10 retries), or 30 retries at most 10 s apart where more than limits refuses calls`,
    readsAnswers: false,
    hasPriorities: true,
    needsLimit,
    async run(requests$, provider, shape) {
      const pace = shape.told && telling(shape.told.inRequests);
      const queue = new PQueue({
        concurrency: mostRunning,
        ...(pace && { intervalCap: pace.cap, interval: pace.interval, strict: true }),
      });
      return tallyOf(requests$, (request) =>
        queue.add(() => pRetry(() => provider.ask(request), retryOptions(shape)), {
          priority: request.priority === CallPriority.CRITICAL ? 1 : 0,
        }),
      );
    },
  };
}

export const pQueueTold = pQueue(
  'p-queue',
  'p-queue + p-retry',
  'the true limit, where there is one',
  asIs,
  false,
);

export const pQueueToldTooHigh = pQueue(
  'p-queue-wrong',
  'p-queue + p-retry, told 25 % too much',
  'a limit 25 % above the true one, as happens when it is wrong or shared',
  tooHigh,
  true,
);
