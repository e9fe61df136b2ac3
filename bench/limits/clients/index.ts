import type { Client } from '../client';
import { aws } from './aws';
import { bottleneck } from './bottleneck';
import { langchain } from './langchain';
import { openai } from './openai';
import { pQueueTold, pQueueToldTooHigh } from './p-queue';
import { pThrottleTold } from './p-throttle';
import { rxllm } from './rxllm';

/** All that are measured, in the order of the tables. */
export const clients: readonly Client[] = [
  rxllm,
  pQueueTold,
  pQueueToldTooHigh,
  bottleneck,
  pThrottleTold,
  langchain,
  aws,
  openai,
];
