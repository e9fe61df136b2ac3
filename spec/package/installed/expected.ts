import { LLMResultCache } from '../../../lib/index';

/** What program.ts prints wherever it runs. */
export const expected = {
  chain: [3, 4, 4, 6],
  optimizer: { answers: ['A', 'B', 'A'], totalCalls: 3, sharedCalls: 1, late: 'closed' },
  simulation: { answered: 50 },
  disk: 'lmdb-missing',
  key: LLMResultCache.generateKey('Why is gold up?', { model: 'm', temperature: 0 }),
};

/** What peers-program.ts prints. */
export const expectedWithPeers = { content: 'Up.', kept: 'on disk', page: 200 };

/** What openai-program.ts prints. */
export const expectedOfOpenAI = {
  completion: 'Up.',
  response: 'Up.',
  embedding: 2,
  chunks: ['Up', '.'],
  events: ['response.created', 'response.completed'],
  fetched: 'Up.',
  streamed: 'Up.',
};

/** What ai-program.ts prints. */
export const expectedOfAI = { answers: ['Up.', 'Up.', 'Up.', 'Up.'], calls: 2, inputTokens: 3 };
