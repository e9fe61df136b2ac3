import { setTimeout as pause } from 'node:timers/promises';
import { CallPriority } from '../../lib/index';
import { help, readArguments, sampleSpeed } from '../../demos/news-desk/arguments';
import { readCsv } from '../../demos/news-desk/csv';
import { readFeed } from '../../demos/news-desk/feed';
import { readJsonLines } from '../../demos/news-desk/json-lines';
import { LookAhead } from '../../demos/news-desk/look-ahead';
import { attemptsOfOfficialClient, runNaively, type NaiveEvent } from '../../demos/news-desk/naive-client';
import { eventOf, priorityOfClass, type InputItem, type NewsEvent } from '../../demos/news-desk/news-event';
import { costOf, priceOf } from '../../demos/news-desk/prices';
import { replay } from '../../demos/news-desk/replay';
import { readSentiment, storyText } from '../../demos/news-desk/sentiment';
import { mergeStatedLimits, readStatedLimits } from '../../demos/news-desk/stated-limits';
import { Tally } from '../../demos/news-desk/tally';
import { dollars, duration, oneLine, signed } from '../../demos/news-desk/wording';
import { UsageError } from '../../demos/shared/flags';
import { withoutSecrets } from '../../demos/shared/shown-url';
import { lastValueFrom, take, tap, toArray, type Observable } from 'rxjs';

async function* chunksOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  }
}

async function all(items: AsyncIterable<InputItem>): Promise<InputItem[]> {
  const list: InputItem[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const headlines = (items: readonly InputItem[]): string[] =>
  items.flatMap((item) => (item.kind === 'event' ? item.event.headline : []));

const problems = (items: readonly InputItem[]): string[] =>
  items.flatMap((item) => (item.kind === 'broken' ? `${item.place} ${item.problem}` : []));

describe('lines of JSON', () => {
  it('are read with a byte order mark, with carriage returns and without a last newline', async () => {
    const items = await all(
      readJsonLines(chunksOf('\ufeff{"headline":"one"}\r\n\r\n{"head', 'line":"two"}\n{"title":"three"}')),
    );
    expect(headlines(items)).toEqual(['one', 'two', 'three']);
    expect(problems(items)).toEqual([]);
  });

  it('are divided at newline bytes only, and characters may be divided between chunks', async () => {
    const bytes = Buffer.from('{"headline":"a\u2028b é"}\n');
    const items = await all(readJsonLines(chunksOf(bytes.subarray(0, 20), bytes.subarray(20))));
    expect(headlines(items)).toEqual(['a\u2028b é']);
    expect(items).toEqual([expect.objectContaining({ bytes: bytes.length })]);
  });

  it('are skipped where they are broken, with their numbers', async () => {
    const invalid = Buffer.from([0x22, 0xff, 0x22, 0x0a]);
    const items = await all(
      readJsonLines(
        chunksOf('{"headline":"one"}\n\nnope\n[1]\n{"body":"x"}\n', invalid, '{"headline":"two"}'),
      ),
    );
    expect(headlines(items)).toEqual(['one', 'two']);
    expect(problems(items)).toEqual([
      'line 3 is not JSON',
      'line 4 is not an object',
      'line 5 has no headline',
      'line 6 is not UTF-8',
    ]);
  });

  it('are skipped where they are too long to be kept in memory', async () => {
    const chunk = Buffer.alloc(1_024 * 1_024, 0x20);
    const items = await all(
      readJsonLines(chunksOf(...Array.from({ length: 9 }, () => chunk), '\n{"headline":"next"}')),
    );
    expect(headlines(items)).toEqual(['next']);
    expect(problems(items)).toEqual(['line 1 is longer than 8388608 bytes']);
  });
});

describe('CSV', () => {
  it('is read with quoted fields of many lines, a byte order mark and headers in any case', async () => {
    const items = await all(
      readCsv(
        chunksOf(
          '\ufeffDate,Title,Text\r\n20030219,"One, ""so"" to',
          ' say","first\nsecond"\r\n2019-01-04,Two,\r\n',
        ),
      ),
    );
    expect(items).toEqual([
      expect.objectContaining({
        event: {
          id: 'line 2',
          time: Date.parse('2003-02-19'),
          storyClass: 'market-colour',
          headline: 'One, "so" to say',
          body: 'first\nsecond',
        },
      }),
      expect.objectContaining({ event: expect.objectContaining({ headline: 'Two', body: '' }) as NewsEvent }),
    ]);
  });

  it('is read on after a broken record, with the number of its line', async () => {
    const items = await all(readCsv(chunksOf('title,text\n"a\nb",x\n,nothing\nc "d" e,y\nf,"never\nclosed')));
    expect(headlines(items)).toEqual(['a\nb', 'c "d" e']);
    expect(problems(items)).toEqual(['line 4 has no headline', 'line 6 opens a quote that is never closed']);
  });

  it('passes on an error of its source', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* chunksOf('title\none\n');
      throw new Error('disk');
    }
    await expect(all(readCsv(failing()))).rejects.toThrow('disk');
  });
});

describe('feeds', () => {
  it('are read as RSS, without markup', () => {
    const items = readFeed(
      '<rss version="2.0"><channel><title>Wire</title>' +
        '<item><title>Profit &amp; loss</title><description><![CDATA[<p>Up <b>5&#37;</b></p>]]></description>' +
        '<guid>g1</guid><pubDate>Mon, 16 Mar 2026 13:30:22 GMT</pubDate></item>' +
        '<item><description>no title</description></item></channel></rss>',
    );
    expect(items).toEqual([
      {
        kind: 'event',
        event: {
          id: 'g1',
          time: Date.parse('2026-03-16T13:30:22Z'),
          outlet: 'Wire',
          storyClass: 'market-colour',
          headline: 'Profit & loss',
          body: 'Up 5%',
        },
      },
      { kind: 'broken', place: 'entry 2', problem: 'has no headline' },
    ]);
  });

  it('are read as Atom', () => {
    const [item] = readFeed(
      '<feed xmlns="http://www.w3.org/2005/Atom"><title>Wire</title><entry><id>a1</id>' +
        '<title type="text">Rates rise</title><updated>2026-03-16T13:30:22Z</updated>' +
        '<content type="html">&lt;p&gt;By 75 points&lt;/p&gt;</content></entry></feed>',
    );
    expect(item).toMatchObject({ event: { id: 'a1', headline: 'Rates rise', body: 'By 75 points' } });
  });

  it('are refused if they are none', () => {
    expect(() => readFeed('plain text')).toThrow('is neither an RSS nor an Atom feed');
  });
});

describe('events', () => {
  it('take their class and its priority from the input', () => {
    const classOf = (text: unknown): unknown => {
      const event = eventOf({ headline: 'x', class: text }, 'line 1');
      return 'problem' in event ? event : priorityOfClass[event.storyClass];
    };
    expect(classOf('alert')).toBe(CallPriority.CRITICAL);
    expect(classOf('Earnings')).toBe(CallPriority.HIGH);
    expect(classOf('company')).toBe(CallPriority.MEDIUM);
    expect(classOf(undefined)).toBe(CallPriority.LOW);
    expect(classOf('toString')).toBe(CallPriority.LOW);
  });

  it('take times as dates, days and seconds', () => {
    const timeOf = (time: unknown): unknown => eventOf({ headline: 'x', time }, 'line 1');
    expect(timeOf('20030219')).toMatchObject({ time: Date.parse('2003-02-19') });
    expect(timeOf(1_700_000_000)).toMatchObject({ time: 1_700_000_000_000 });
    expect(timeOf(1_700_000_000_000)).toMatchObject({ time: 1_700_000_000_000 });
    expect(timeOf('soon')).not.toHaveProperty('time');
  });
});

describe('arguments', () => {
  it('have defaults', () => {
    expect(readArguments([])).toEqual({
      input: { kind: 'sample' },
      speed: sampleSpeed,
      limit: Infinity,
      model: undefined,
      maxConcurrent: 8,
      output: undefined,
      quiet: false,
      json: false,
    });
    expect(readArguments(['--help'])).toBeUndefined();
  });

  it('choose the input, which arrives as fast as it can unless it is the sample', () => {
    expect(readArguments(['--input', '-'])).toMatchObject({ input: { kind: 'stdin' }, speed: Infinity });
    expect(readArguments(['--input', 'a.csv', '--speed', '2.5'])).toMatchObject({
      input: { kind: 'file', path: 'a.csv' },
      speed: 2.5,
    });
    expect(readArguments(['--feed', 'f.xml'])).toMatchObject({ input: { kind: 'feed', location: 'f.xml' } });
    expect(readArguments(['--speed', 'max'])).toMatchObject({ speed: Infinity });
  });

  it.each([
    [['--bogus'], "Unknown option '--bogus'"],
    [['file.csv'], "Unexpected argument 'file.csv'"],
    [['--input'], "Option '--input <value>' argument missing"],
    [['--input', ''], '--input must not be empty'],
    [['--input', 'a', '--feed', 'b'], '--input and --feed cannot be used together'],
    [['--speed', 'fast'], '--speed must be a number above 0, or "max", but is "fast"'],
    [['--speed', '0'], '--speed must be a number above 0, or "max", but is "0"'],
    [['--limit', '1.5'], '--limit must be a whole number of at least 1, but is "1.5"'],
    [['--max-concurrent', '0'], '--max-concurrent must be a whole number of at least 1, but is "0"'],
  ])('are refused: %j', (argumentsGiven, message) => {
    expect(() => readArguments(argumentsGiven)).toThrow(new UsageError(message));
  });
});

describe('the help', () => {
  it('names the command that leaves nothing but JSON on standard output', () => {
    expect(help).toContain('npm start -s -- --json');
  });
});

describe('the progress', () => {
  const item = (bytes: number): InputItem => ({
    kind: 'event',
    event: { id: 'a', headline: 'a', body: '', storyClass: 'company' },
    bytes,
  });

  it('says that a total judged by bytes is a guess, until the input is read', () => {
    const tally = new Tally({ size: 1_000 }, Infinity);
    expect(tally.progress).toBe('0');
    tally.read(item(100));
    expect([tally.progress, tally.isTotalEstimated]).toEqual(['0 of about 10', true]);
    tally.read(item(1_000));
    tally.readAll();
    expect([tally.progress, tally.isTotalEstimated]).toEqual(['0 of 2', false]);
  });

  it('states a total that was counted', () => {
    expect(new Tally({ count: 1_200 }, Infinity).progress).toBe('0 of 1,200');
    expect(new Tally({ count: 1_200 }, 10).progress).toBe('0 of 10');
  });
});

describe('the naive client', () => {
  const event = (arrivedAt: number): NaiveEvent => ({
    arrivedAt,
    latency: 100,
    inputTokens: 50,
    outputTokens: 10,
    reservedTokens: 60,
  });
  const together = (count: number): NaiveEvent[] => Array.from({ length: count }, () => event(0));

  it('makes one call for each event where nothing refuses it', () => {
    const limits = { requests: { perMinute: 600, depth: 600 } };
    expect(runNaively(together(4), limits, { maxConcurrent: 2, attempts: 3 })).toEqual({
      calls: 4,
      inputTokens: 200,
      outputTokens: 40,
      refusals: { refused: 0, givenUp: 0, duration: 200 },
    });
  });

  it('says nothing about refusals where no limit is stated', () => {
    expect(runNaively(together(4), {}, { maxConcurrent: 2, attempts: 3 })).toEqual({
      calls: 4,
      inputTokens: 200,
      outputTokens: 40,
      refusals: undefined,
    });
  });

  it('waits as long as a refusal names, and calls again', () => {
    // One request a second, one at once: the second call is refused at 100 ms and waits for the rest of the second.
    const limits = { requests: { perMinute: 60, depth: 1 } };
    expect(runNaively(together(2), limits, { maxConcurrent: 1, attempts: Infinity })).toMatchObject({
      calls: 3,
      refusals: { refused: 1, givenUp: 0, duration: 1_100 },
    });
  });

  it('gives an event up after its last attempt', () => {
    const limits = { requests: { perMinute: 60, depth: 1 } };
    const { calls, refusals, inputTokens } = runNaively(together(8), limits, {
      maxConcurrent: 8,
      attempts: attemptsOfOfficialClient,
    });
    // One is admitted at once, one with the second attempt and one with the third, which the other five wait in vain.
    expect(refusals).toMatchObject({ givenUp: 5, refused: calls - 3 });
    expect(inputTokens).toBe(3 * 50);
  });

  it('is held to the token budget too, and never waits for more than it holds', () => {
    const limits = { tokens: { perMinute: 600, depth: 30 } };
    expect(runNaively(together(2), limits, { maxConcurrent: 1, attempts: Infinity })).toMatchObject({
      refusals: { refused: 1, duration: 100 + 5_900 + 100 },
    });
  });

  it('takes events when they arrive, whatever order they are given in', () => {
    const limits = { requests: { perMinute: 60, depth: 1 } };
    const events = [event(2_000), event(1_000)];
    expect(runNaively(events, limits, { maxConcurrent: 8, attempts: 3 })).toMatchObject({
      refusals: { refused: 0, duration: 1_100 },
    });
  });

  it('has nothing to do without events', () => {
    const limits = { requests: { perMinute: 60, depth: 1 } };
    expect(runNaively([], limits, { maxConcurrent: 8, attempts: 3 })).toMatchObject({
      calls: 0,
      refusals: { refused: 0, givenUp: 0, duration: 0 },
    });
  });
});

describe('stated limits', () => {
  const headers = (limit: number, remaining: number, reset: string): Headers =>
    new Headers({
      'x-ratelimit-limit-requests': String(limit),
      'x-ratelimit-remaining-requests': String(remaining),
      'x-ratelimit-reset-requests': reset,
    });

  it('tell the depth of the budget', () => {
    expect(readStatedLimits(headers(300, 299, '200ms'))).toEqual({
      requests: { perMinute: 300, depth: 300 },
    });
    expect(readStatedLimits(headers(300, 9, '200ms'))).toEqual({ requests: { perMinute: 300, depth: 10 } });
  });

  it('may be of a day', () => {
    expect(readStatedLimits(headers(14_400, 14_399, '6s')).requests?.perMinute).toBeCloseTo(10);
  });

  it('are unknown where the headers say nothing', () => {
    expect(readStatedLimits(new Headers())).toEqual({});
    expect(readStatedLimits({ 'x-ratelimit-limit-tokens': '100' })).toEqual({
      tokens: { perMinute: 100, depth: 100 },
    });
  });

  it('are read off many answers', () => {
    const one = { requests: { perMinute: 300, depth: 9 } };
    const other = { requests: { perMinute: 300, depth: 10 }, tokens: { perMinute: 5, depth: 5 } };
    expect(mergeStatedLimits(mergeStatedLimits({}, other), one)).toEqual(other);
  });
});

describe('the replay', () => {
  const allOf = (events$: Observable<NewsEvent>): Promise<NewsEvent[]> =>
    lastValueFrom(events$.pipe(toArray()), { defaultValue: [] });

  const item = (headline: string, time?: number): InputItem => ({
    kind: 'event',
    event: { id: headline, headline, body: '', storyClass: 'company', ...(time !== undefined && { time }) },
  });
  const options = (signal = new AbortController().signal) => ({
    speed: Infinity,
    limit: Infinity,
    lookAhead: new LookAhead(10),
    signal,
    onItem: () => undefined,
    onEnd: () => undefined,
  });

  it('keeps the distances of the arrival times', async () => {
    const startedAt = performance.now();
    const items = [item('a', 1_000_000), item('b', 1_010_000), item('c', 1_005_000)];
    const events = await allOf(replay(items, { ...options(), speed: 100 }));
    expect(events.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(99);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('takes no more than it may', async () => {
    const read: string[] = [];
    const items = ['a', 'b', 'c'].map((headline) => item(headline));
    const onItem = (one: InputItem): number => read.push(one.kind);
    const events = await allOf(replay(items, { ...options(), limit: 2, onItem }));
    expect(events.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(read).toHaveLength(2);
  });

  it('waits for room', async () => {
    const lookAhead = new LookAhead(2);
    const items = Array.from({ length: 5 }, (_, index) => item(String(index)));
    let seen = 0;
    const done = allOf(replay(items, { ...options(), lookAhead }).pipe(tap(() => (seen += 1))));
    await pause(10);
    expect(seen).toBe(2);
    lookAhead.leave();
    await pause(10);
    expect(seen).toBe(3);
    for (let index = 0; index < 4; index += 1) lookAhead.leave();
    expect(await done).toHaveLength(5);
  });

  it('ends when it is stopped, while it waits for a time or for room', async () => {
    const stop = new AbortController();
    const items = [item('a', 0), item('b', 3_600_000)];
    const timed = allOf(replay(items, { ...options(stop.signal), speed: 1 }));
    const full = allOf(replay(items, { ...options(stop.signal), lookAhead: new LookAhead(1) }));
    await pause(10);
    stop.abort();
    expect(await timed).toHaveLength(1);
    expect(await full).toHaveLength(1);
  });

  it('reads no further once nobody listens', async () => {
    const read: string[] = [];
    const items = ['a', 'b', 'c'].map((headline) => item(headline));
    const onItem = (one: InputItem): number => read.push(one.kind);
    await allOf(replay(items, { ...options(), onItem }).pipe(take(1)));
    await pause(10);
    expect(read).toHaveLength(1);
  });
});

describe('sentiments', () => {
  const completion = (content: string | null, finish_reason = 'stop') =>
    ({ choices: [{ message: { content }, finish_reason }] }) as unknown as Parameters<
      typeof readSentiment
    >[0];

  it('are read off the answer, in a block of Markdown too', () => {
    const sentiment = { label: 'positive', score: 0.5, reason: 'Up.' };
    expect(readSentiment(completion(JSON.stringify(sentiment)))).toEqual(sentiment);
    expect(readSentiment(completion(`\`\`\`json\n${JSON.stringify(sentiment)}\n\`\`\``))).toEqual(sentiment);
  });

  it.each([
    ['The answer is empty.', completion('')],
    ['The answer is empty.', completion(null)],
    ['The answer was cut off.', completion('{"label":', 'length')],
    ['The answer is not JSON.', completion('It is good news.')],
    ['The answer is not a JSON object.', completion('3')],
    ['The answer has no label of the three asked for.', completion('{}')],
    ['The answer has no score from -1 to 1.', completion('{"label":"neutral","score":"0"}')],
    ['The answer has no score from -1 to 1.', completion('{"label":"neutral","score":7}')],
    ['The answer has no reason.', completion('{"label":"neutral","score":0,"reason":" "}')],
  ])('%s', (message, answer) => {
    expect(() => readSentiment(answer)).toThrow(message);
  });

  it('are asked for the lead of a story only', () => {
    expect(storyText({ headline: 'a', body: '' })).toBe('a');
    expect(storyText({ headline: 'a', body: 'b'.repeat(9_000) })).toHaveLength(2_003);
  });
});

describe('words', () => {
  it('are short', () => {
    expect(duration(12_345)).toBe('12.3 s');
    expect(duration(125_000)).toBe('2 min 5 s');
    expect(duration(4_320_000)).toBe('1 h 12 min');
    expect([dollars(0), dollars(2.345), dollars(0.0028), dollars(0.00003)]).toEqual([
      '$0.00',
      '$2.35',
      '$0.0028',
      '$0.000030',
    ]);
    expect([signed(0.5), signed(-0.5), signed(0)]).toEqual(['+0.50', '-0.50', '+0.00']);
  });

  it('of others cannot move the cursor', () => {
    expect(oneLine('a\u001b[2J\nb', 20)).toBe('a [2J b');
    expect(oneLine('a long headline', 6)).toBe('a lon…');
  });

  it('of URLs hold no secrets', () => {
    expect(withoutSecrets('https://me:pass@host.example/feed?key=1')).toBe('https://host.example/feed');
  });
});

describe('prices', () => {
  it('are known for models and their releases', () => {
    expect(priceOf('gpt-4o-mini-2024-07-18')).toEqual(priceOf('gpt-4o-mini'));
    expect(priceOf('another')).toBeUndefined();
    expect(costOf({ input: 1, output: 2 }, 500_000, 250_000)).toBe(1);
  });
});
