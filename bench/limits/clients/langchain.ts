import { AsyncCaller } from '@langchain/core/utils/async_caller';
import { tallyOf, type Client } from '../client';
import { mostRunning } from '../most-running';
import { retriesFor } from '../retries';

// Its documentation: "calls are limited by the `maxConcurrency` parameter" and "each call will be retried up to 6
// times, with an exponential backoff between each attempt"; a 429 without a hint is not retried at all.
export const langchain: Client = {
  name: 'langchain',
  title: 'LangChain AsyncCaller',
  setUp:
    '`new AsyncCaller({ maxConcurrency: 100 })`, everything else default (6 retries; 30 where more than limits refuses calls)',
  readsAnswers: true,
  hasPriorities: false,
  run(requests$, provider, shape) {
    const caller = new AsyncCaller({ maxConcurrency: mostRunning, maxRetries: retriesFor(shape, 6) });
    return tallyOf(requests$, (request) => caller.call(provider.ask, request));
  },
};
