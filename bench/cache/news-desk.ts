import { readFileSync } from 'node:fs';
import { from, map, mergeMap, of, tap, timer, VirtualTimeScheduler } from 'rxjs';
import { countTokens } from '../../demos/model-server/chat';
import { sentimentOf } from '../../demos/model-server/sentiment';
import { eventOf, priorityOfClass, type NewsEvent } from '../../demos/news-desk/news-event';
import { priceOf } from '../../demos/news-desk/prices';
import { completionParameters, storyText } from '../../demos/news-desk/sentiment';
import { LLMCallOptimizer, LLMResultCache } from '../../lib/index';
import { SimulatedProvider } from '../../lib/testing';
import type { SectionReport } from '../shared/section';
import { exactly } from '../shared/verdicts';

const model = 'sentiment-demo';
const maxConcurrent = 8;

/** As the desk replays the sample unless it is told otherwise. */
const replaySpeed = 60;

/** The limits and the latency of the model server that the desk starts for itself; this one never fails. */
const limits = [
  { of: 'requests', limit: 300, depth: 10 },
  { of: 'tokens', limit: 150_000, depth: 5_000 },
] as const;
const latency = { base: 180, perOutputToken: 5 };

type DeskRequest = ReturnType<typeof requestOf>;

/** How one run of the desk went. */
interface DeskFigures {
  readonly calls: number;
  /** Milliseconds from the first event to the last answer. */
  readonly finished: number;
  /** Mean milliseconds from an event to its answer. */
  readonly timeToAnswer: number;
  readonly tokens: number;
  /** US dollars. */
  readonly spent: number;
}

/**
 * What the cache is worth to the news desk.
 * @param sample the file of the sample that the desk replays
 */
export function measureDesk(sample: string): SectionReport {
  const events = eventsOf(sample);
  const stories = new Set(events.map(storyText)).size;
  const rows: string[][] = [];
  const compare = (arrivals: string, speed: number) => {
    const uncached = runDesk(events, speed, undefined);
    const cache = new LLMResultCache({ maxSize: 10_000, scheduler: new VirtualTimeScheduler() });
    const cached = runDesk(events, speed, cache);
    const again = runDesk(events, speed, cache);
    rows.push(
      rowOf(arrivals, 'none', uncached, uncached),
      rowOf(arrivals, 'empty at the start', cached, uncached),
      rowOf(arrivals, 'that of the run before', again, uncached),
    );
    return { cached, again };
  };
  const replayed = compare(`replayed ${replaySpeed} times as fast`, replaySpeed);
  const atOnce = compare('all at once', Infinity);
  return {
    title: 'The news desk with repeats',
    answer: `With the cache, the news desk makes ${replayed.cached.calls} calls for ${events.length} events.`,
    about:
      `The calls of \`npm start\` in virtual time: its ${events.length} events about ${stories} different stories, its ` +
      'prompts, limits, prices and concurrency, against a simulated provider with the limits and the latency of the ' +
      'demo’s model server, whose answers have the length of that server’s. The repeats are those of the sample: ' +
      'several outlets carry the same story within minutes, word for word. The same run without a cache, with one, and ' +
      'once more with what the cache holds then; a request that waits for the running call of another counts as no call.',
    tables: [
      {
        head: [
          'Events',
          'Cache',
          'Calls',
          'Finished, s',
          'Times as fast',
          'Mean s to answer',
          'Tokens',
          'US$ at gpt-4o-mini’s price',
        ],
        rows,
      },
    ],
    verdicts: [
      exactly('Calls of the replayed desk', String(replayed.cached.calls), String(stories)),
      exactly('Calls of the desk with all events at once', String(atOnce.cached.calls), String(stories)),
      exactly('Calls of a second run', String(replayed.again.calls + atOnce.again.calls), '0'),
    ],
  };
}

function rowOf(arrivals: string, cache: string, figures: DeskFigures, uncached: DeskFigures): string[] {
  const { calls, finished, timeToAnswer, tokens, spent } = figures;
  return [
    arrivals,
    cache,
    calls.toLocaleString('en'),
    (finished / 1_000).toFixed(1),
    finished === 0 ? '–' : (uncached.finished / finished).toFixed(2),
    (timeToAnswer / 1_000).toFixed(2),
    tokens.toLocaleString('en'),
    spent.toFixed(4),
  ];
}

function runDesk(
  events: readonly NewsEvent[],
  speed: number,
  cache: LLMResultCache | undefined,
): DeskFigures {
  const scheduler = new VirtualTimeScheduler();
  const price = priceOf(model)!;
  const optimizer = new LLMCallOptimizer({
    baseInterval: 250,
    maxConcurrent,
    timeout: 60_000,
    retry: { attempts: 3 },
    ...(cache ? { cache } : { enableCache: false }),
    scheduler,
  });
  const provider = new SimulatedProvider<DeskRequest>({
    limits,
    latency,
    tokensOf: ({ expected }) => expected,
    scheduler,
  });
  const start = events[0]!.time!;
  let answers = 0;
  let finished = 0;
  let waits = 0;
  let tokens = 0;
  let spent = 0;
  from(events)
    .pipe(
      mergeMap((event) => {
        const arrival = Math.round((event.time! - start) / speed);
        const request = requestOf(event, arrival);
        return arrival > 0 ? timer(arrival, scheduler).pipe(map(() => request)) : of(request);
      }),
      optimizer.optimize(
        (request: DeskRequest, context) =>
          provider.call(request, context).pipe(
            tap(({ usage: { inputTokens, outputTokens } }) => {
              tokens += inputTokens + outputTokens;
              spent += (inputTokens * price.input + outputTokens * price.output) / 1_000_000;
            }),
          ),
        { namespace: 'sentiment' },
      ),
    )
    .subscribe({
      next: ({ ok, request }) => {
        answers += ok ? 1 : 0;
        finished = scheduler.now();
        waits += finished - request.arrival;
      },
      error: (error: unknown) => {
        throw error;
      },
    });
  scheduler.flush();
  optimizer.close();
  if (answers !== events.length) throw new Error(`Only ${answers} of ${events.length} events were answered.`);
  const { calls } = provider.statistics;
  return { calls, finished, timeToAnswer: waits / events.length, tokens, spent };
}

function requestOf(event: NewsEvent, arrival: number) {
  const text = storyText(event);
  const parameters = completionParameters(model, text);
  const prompt = parameters.messages.map(({ content }) => content as string).join('');
  const input = countTokens(prompt);
  const expected = { input, output: countTokens(JSON.stringify(sentimentOf(text))) };
  return {
    arrival,
    expected,
    priority: priorityOfClass[event.storyClass],
    cacheKey: LLMResultCache.generateKey(parameters),
    tokens: input + expected.output,
  };
}

function eventsOf(sample: string): NewsEvent[] {
  return readFileSync(sample, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line, index) => {
      const event = eventOf(JSON.parse(line), `line ${index + 1}`);
      if ('problem' in event || event.time === undefined)
        throw new Error('The sample of the desk is broken.');
      return event;
    });
}
