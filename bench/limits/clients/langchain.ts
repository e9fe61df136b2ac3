import { AsyncCaller } from '@langchain/core/utils/async_caller';
import { tallyOf, type Client } from '../client';
import { mostRunning } from '../most-running';

// Its documentation: "calls are limited by the `maxConcurrency` parameter" and "each call will be retried up to 6
// times, with an exponential backoff between each attempt"; a 429 without a hint is not retried at all.
export const langchain: Client = {
  name: 'langchain',
  title: 'LangChain AsyncCaller',
  setUp: '`new AsyncCaller({ maxConcurrency: 100 })`, everything else default (6 retries)',
  readsAnswers: true,
  hasPriorities: false,
  run(requests$, provider) {
    const caller = new AsyncCaller({ maxConcurrency: mostRunning });
    return tallyOf(requests$, (request) => caller.call(provider.ask, request));
  },
};
