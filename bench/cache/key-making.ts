import { createHash } from 'node:crypto';
import stringify from 'fast-json-stable-stringify';
import { LLMResultCache } from '../../lib/index';
import { ratioOf } from '../shared/medians';
import type { Effort, SectionReport, Verdict } from '../shared/section';
import { atMost } from '../shared/verdicts';
import { bounds } from './bounds';
import { chatRequests, type ChatRequest } from './chat-requests';
import { timeInTurns, type Contender } from './timing';

const sizes = [
  { title: '0.8 KB', bytes: 800, messages: 2 },
  { title: '10 KB', bytes: 10_000, messages: 8 },
] as const;

const differentRequests = 32;

/** What making a key costs. */
export async function measureKeys({ isQuick }: Effort): Promise<SectionReport> {
  const rows: string[][] = [];
  const verdicts: Verdict[] = [];
  for (const { title, bytes, messages } of sizes) {
    const requests = chatRequests(differentRequests, bytes, messages);
    const contenders = [
      made('rxllm', requests, (request) => LLMResultCache.generateKey(request)),
      made('stringify and SHA-256', requests, (request) =>
        createHash('sha256').update(stringify(request)).digest('hex'),
      ),
    ];
    const [rxllm, plain] = await timeInTurns(
      contenders,
      isQuick ? { rounds: 7, samples: 20 } : { rounds: 25, samples: 40 },
    );
    const ratio = ratioOf(rxllm!, plain!);
    rows.push([
      title,
      requests[0]!.messages.length.toString(),
      rxllm!.microseconds.toFixed(2),
      plain!.microseconds.toFixed(2),
      ratio.toFixed(2),
    ]);
    verdicts.push(atMost(`The key of a request of ${title}`, ratio, bounds.keyRatio, 2, '×'));
  }
  return {
    title: 'A key',
    about:
      '`LLMResultCache.generateKey` of a chat request against fast-json-stable-stringify and SHA-256 of `node:crypto`, ' +
      `over ${differentRequests} different requests of each size, timed in turns. The ratio is the median of the ` +
      'rounds’ own. Unlike the plain way, the key tells a `Map`, a `Date`, bytes, NaN and a missing field apart.',
    tables: [{ head: ['A request of', 'Messages', 'rxllm, µs', 'stringify + SHA-256, µs', 'Ratio'], rows }],
    verdicts,
  };
}

function made(
  name: string,
  requests: readonly ChatRequest[],
  keyOf: (request: ChatRequest) => string,
): Contender {
  return {
    name,
    operations: requests.length,
    run: () => {
      let length = 0;
      for (const request of requests) length += keyOf(request).length;
      if (length < 64 * requests.length) throw new Error(`${name} makes no keys.`);
    },
  };
}
