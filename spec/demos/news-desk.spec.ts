import { setTimeout as pause } from 'node:timers/promises';
import { help, readArguments, sampleSpeed } from '../../demos/news-desk/arguments';
import { LookAhead } from '../../demos/news-desk/look-ahead';
import type { InputItem, NewsEvent } from '../../demos/news-desk/news-event';
import { costOf, priceOf } from '../../demos/news-desk/prices';
import { replay } from '../../demos/news-desk/replay';
import { readSentiment, storyText } from '../../demos/news-desk/sentiment';
import { Tally } from '../../demos/news-desk/tally';
import { dollars, duration, leadOf, oneLine, rowsOf, signed } from '../../demos/news-desk/wording';
import { UsageError } from '../../demos/shared/flags';
import { withoutSecrets } from '../../demos/shared/shown-url';
import { lastValueFrom, take, tap, toArray, type Observable } from 'rxjs';

describe('arguments', () => {
  it('have defaults', () => {
    expect(readArguments([])).toEqual({
      input: { kind: 'sample' },
      speed: sampleSpeed,
      limit: Infinity,
      model: undefined,
      maxConcurrent: 8,
      stream: false,
      output: undefined,
      quiet: false,
      ui: false,
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

  it('tells the first piece of each kind that is skipped, and counts the others', () => {
    const tally = new Tally({}, Infinity);
    const broken = (line: number, problem: string): boolean =>
      tally.read({ kind: 'broken', place: `line ${line}`, problem });
    expect([broken(1, 'is not JSON'), broken(2, 'is not JSON'), broken(3, 'is not UTF-8')]).toEqual([
      true,
      false,
      true,
    ]);
    expect(tally.skipped).toEqual([
      { place: 'line 1', problem: 'is not JSON', count: 2 },
      { place: 'line 3', problem: 'is not UTF-8', count: 1 },
    ]);
  });

  it('states a total that was counted', () => {
    expect(new Tally({ count: 1_200 }, Infinity).progress).toBe('0 of 1,200');
    expect(new Tally({ count: 1_200 }, 10).progress).toBe('0 of 10');
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

  it('are asked for without half a character at the end of the lead', () => {
    const body = `${'x'.repeat(1_999)}🚀 to the moon`;
    expect(storyText({ headline: 'a', body })).toBe(`a\n\n${'x'.repeat(1_999)}`);
    expect(storyText({ headline: 'a', body: `x${body}`.slice(2) })).toContain('x🚀');
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

  it('of others are cut to the columns that they take', () => {
    expect(oneLine('株価が急騰', 10)).toBe('株価が急騰');
    expect(oneLine('株価が急騰した', 10)).toBe('株価が急…');
    expect(oneLine('🚀🫠 up', 7)).toBe('🚀🫠 up');
    expect(oneLine('🚀🫠 up', 6)).toBe('🚀🫠 …');
    expect(oneLine('e\u0301a', 2)).toBe('e\u0301a');
    expect(oneLine('', 0)).toBe('');
  });

  it('know how many rows they take in a terminal that became narrower', () => {
    expect(rowsOf(['a'.repeat(20), '', '\u001b[1mbold\u001b[22m', '株株株'], 10)).toBe(5);
    expect(rowsOf(['株株株'], 5)).toBe(2);
  });

  it('are cut between characters', () => {
    expect([leadOf('a🚀', 2), leadOf('a🚀', 3), leadOf('a🚀b', 3)]).toEqual(['a', 'a🚀', 'a🚀']);
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
