import type { Client, StreamClient } from '../client';
import { aws } from './aws';
import { bottleneck } from './bottleneck';
import { langchain } from './langchain';
import { openai } from './openai';
import { pQueueTold, pQueueToldTooHigh } from './p-queue';
import { pThrottleTold } from './p-throttle';
import { plain } from './plain';
import { rxllm } from './rxllm';

/** All that are measured, in the order of the tables. */
export const clients: readonly Client[] = [
  rxllm,
  plain,
  pQueueTold,
  pQueueToldTooHigh,
  bottleneck,
  pThrottleTold,
  langchain,
  aws,
  openai,
];

/** Those that can live by any scheduler; all draws are run with them. */
export const streamClients: readonly StreamClient[] = [rxllm, plain];
