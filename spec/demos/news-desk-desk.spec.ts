import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Desk } from '../../demos/news-desk/desk';
import type { FinalFigures } from '../../demos/news-desk/figures';
import type { InputItem, NewsEvent } from '../../demos/news-desk/news-event';
import { PlainClient, type PlainFigures } from '../../demos/news-desk/plain-client';
import { report } from '../../demos/news-desk/report';
import { connectModel } from '../../demos/shared/model-connection';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** What an endpoint answers about a headline. */
type Answer = readonly [status: number, body: unknown];

const sentiment = JSON.stringify({ label: 'positive', score: 0.5, reason: 'Up.' });
const good: Answer = [
  200,
  { choices: [{ index: 0, message: { role: 'assistant', content: sentiment }, finish_reason: 'stop' }] },
];
const badRequest = (code?: string): Answer => [400, { error: { message: 'No.', code } }];

/** Runs a desk on stories whose headlines are numbers, against an endpoint that answers them so. */
async function runOn(
  headlines: readonly number[],
  answerTo: (headline: number) => Answer,
  path = '/v1',
): Promise<{ tally: Desk['tally']; reason: string | undefined; calls: number }> {
  let calls = 0;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => (body += part));
    request.on('end', () => {
      calls += 1;
      const { messages } = JSON.parse(body) as { messages: { content: string }[] };
      const [status, answer] = answerTo(Number(messages.at(-1)!.content));
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const items = headlines.map((headline, index): InputItem => ({
    kind: 'event',
    event: { id: String(index), headline: String(headline), body: '', storyClass: 'alert' },
  }));
  const desk = new Desk({
    input: { name: 'It', items },
    connection: await connectModel({ OPENAI_BASE_URL: url }, 'some-model', {}),
    speed: Infinity,
    limit: Infinity,
    maxConcurrent: 2,
    stream: false,
    results: undefined,
    store: undefined,
    stop: new AbortController(),
    onBroken: () => undefined,
    onEvent: () => undefined,
  });
  const reason = await desk.run().then(
    () => undefined,
    (error: unknown) => (error as Error).message.replace(url, 'URL'),
  );
  return { tally: desk.tally, reason, calls };
}

describe('a refused story', () => {
  it.each([
    ['names its prompt', badRequest('content_filter')],
    ['says nothing', badRequest()],
    ['forbids it', [403, { error: { message: 'Flagged.' } }] satisfies Answer],
  ])('fails alone if it is the first, and its refusal %s', async (_, refusal) => {
    const { tally, reason } = await runOn([1, 2, 3], (headline) => (headline === 1 ? refusal : good));
    expect([reason, tally.answered, tally.failed]).toEqual([undefined, 2, 1]);
  });

  it('fails alone in all its copies, which share one call', async () => {
    const { tally, reason } = await runOn([1, 1, 1, 1, 1, 1, 2], (headline) =>
      headline === 1 ? badRequest() : good,
    );
    expect([reason, tally.answered, tally.failed]).toEqual([undefined, 1, 6]);
  });

  it('fails alone though it is the only one, if its refusal names its prompt', async () => {
    const { tally, reason } = await runOn([1], () => badRequest('content_filter'));
    expect([reason, tally.failed]).toEqual([undefined, 1]);
  });

  it('ends the run if all of the first few are refused alike', async () => {
    const { reason, calls } = await runOn([1, 2, 3, 4, 5, 6, 7, 8, 9], () => badRequest());
    expect(reason).toBe('URL does not take requests of this form for some-model (400)');
    expect(calls).toBeLessThan(8);
    expect((await runOn([1, 2], () => badRequest())).reason).toContain('requests of this form');
  });
});

describe('a base URL without its path', () => {
  const hint = /most base URLs end in \/v1: try OPENAI_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1$/;

  it.each([
    ['404', [404, 'Not found']],
    ['200 in a form of its own', [200, { error: 'Unexpected endpoint' }]],
  ] satisfies [string, Answer][])('is told of if the server answers %s', async (_, answer) => {
    const { reason } = await runOn([1, 2, 3, 4, 5, 6, 7], () => answer, '');
    expect(reason).toMatch(hint);
  });
});

describe('the official client alone', () => {
  const event = (headline: string): NewsEvent => ({ id: headline, headline, body: '', storyClass: 'alert' });

  it('is measured on the same events, with its own retries', async () => {
    const settings = {
      requestsPerMinute: 60,
      burstSeconds: 2,
      latencyBase: 1,
      latencyPerToken: 0,
      jitter: 0,
    };
    const plain = await PlainClient.start(settings, 'sentiment-demo', 8);
    for (let index = 0; index < 3; index += 1) plain.next(event(`story ${index}`));
    while (plain.figures.refused === 0 || plain.figures.answered < 2) await pause(5);
    const { figures } = plain;
    await plain.close();
    // Two are answered at once; the third is refused, and waits as long as its refusal names.
    expect(figures).toMatchObject({ answered: 2, failed: 0, unanswered: 1, calls: 3, refused: 1 });
    expect(figures.spent).toBeGreaterThan(0);
  });
});

describe('the closing table', () => {
  const plain: PlainFigures = {
    answered: 98,
    failed: 206,
    unanswered: 2,
    calls: 819,
    refused: 716,
    inputTokens: 1_010_245,
    outputTokens: 102_443,
    spent: 1.23,
    duration: 600_000,
  };
  const figures: FinalFigures = {
    events: 12_306,
    answered: 12_300,
    failed: 2,
    stopped: 4,
    skipped: ['is not JSON', 'has no headline', 'is not UTF-8'].map((problem, index) => ({
      place: `line ${index + 1}`,
      problem,
      count: index + 1,
    })),
    labels: { positive: 10_000, neutral: 1_000, negative: 1_300 },
    duration: 600_000,
    calls: 9_500,
    cacheHits: 1_900,
    shared: 906,
    cacheHitRate: 0.3,
    latency: { mean: 341, p50: 1_323, p95: 12_538, p99: 12_619 },
    firstToken: { p50: 203, p95: 1_327 },
    throttled: 75,
    retried: 3,
    refused: 1,
    inputTokens: 1_009_577,
    outputTokens: 102_218,
    saved: { tokens: 1_027_733, money: 1.23, latency: 1 },
    price: { input: 0.15, output: 0.6 },
    spent: 1.23,
    model: 'gpt-4o-mini-2024-07-18',
    maxConcurrent: 16,
    plain,
  };

  it('fits a terminal of 80 columns and 24 lines, with everything that it may hold', () => {
    const lines = report(figures).split('\n');
    // One line is left for the prompt of the shell.
    expect(lines.length).toBeLessThanOrEqual(23);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('tells the time to the first token if answers came token by token', () => {
    expect(report(figures)).toMatch(/ms to first token \/ end: p50 +│ +203 \/ 1,323/);
    expect(report({ ...figures, firstToken: undefined })).toMatch(/ms a call: p50 \/ p95 \/ p99/);
  });

  it('leads with what the official client alone made of the same events', () => {
    expect(report(figures)).toMatch(/rxllm │ +openai SDK alone/);
    expect(report(figures)).toMatch(/events answered +│ +12,300 of 12,306 │ +98 of 12,306/);
    expect(report({ ...figures, plain: undefined })).not.toContain('SDK');
  });

  it('tells what was skipped, the first of each kind', () => {
    expect(report(figures).replace(/\s+/g, ' ')).toContain(
      'Skipped: 6 broken pieces of input: line 1 is not JSON, line 2 has no headline (and 1 like it), and others.',
    );
  });
});
