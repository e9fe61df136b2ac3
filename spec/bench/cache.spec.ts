import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import { bounds } from '../../bench/cache/bounds';
import { chatRequests } from '../../bench/cache/chat-requests';
import { hitsOf, measureRates } from '../../bench/cache/hit-rates';
import { measureDesk } from '../../bench/cache/news-desk';
import { readOptions } from '../../bench/cache/options';
import { keysOf, readTraces } from '../../bench/cache/traces';
import { CannotRunError } from '../../bench/shared/cannot-run-error';
import { UsageError } from '../../bench/shared/flags';
import { differenceOf, median, ratioOf } from '../../bench/shared/medians';
import { page } from '../../bench/shared/report';
import { atMost, exactly } from '../../bench/shared/verdicts';

describe('the options of the cache bench', () => {
  it('run all parts and write the page unless told otherwise', () => {
    expect(readOptions([])).toEqual({
      traces: undefined,
      quick: false,
      check: false,
      only: ['hit', 'key', 'rates', 'memory', 'desk'],
      isFull: true,
    });
  });

  it.each([[['--quick']], [['--only', 'key']], [['--only', 'key', '--only', 'desk', '--quick']]])(
    'write no page for %j',
    (flags) => {
      expect(readOptions(flags)!.isFull).toBe(false);
    },
  );

  it('ask for help', () => {
    expect(readOptions(['--help'])).toBeUndefined();
  });

  it.each([
    [['--traces', ' '], '--traces must not be empty'],
    [['--only', 'speed'], '--only must be one of hit, key, rates, memory, desk, but is "speed"'],
    [['--only', 'rates'], '--only rates needs --traces DIR'],
    [['--fast'], "Unknown option '--fast'"],
  ])('refuse %j', (flags, message) => {
    expect(() => readOptions(flags)).toThrow(UsageError);
    expect(() => readOptions(flags)).toThrow(message);
  });
});

describe('the bounds of the cache bench', () => {
  it('are kept at the bound and missed above it', () => {
    expect(atMost('a hit', 5, bounds.hitOverhead, 2, 'µs')).toEqual({
      what: 'a hit',
      measured: '5.00 µs',
      bound: 'at most 5 µs',
      isKept: true,
    });
    expect(atMost('a hit', 5.01, bounds.hitOverhead, 2, 'µs').isKept).toBe(false);
    expect(atMost('a hit', NaN, bounds.hitOverhead, 2, 'µs').isKept).toBe(false);
  });

  it('compare rates as they are printed', () => {
    expect(exactly('a rate', '33.4 %', '33.4 %').isKept).toBe(true);
    expect(exactly('a rate', '33.5 %', '33.4 %').isKept).toBe(false);
  });
});

describe('the figures of the cache bench', () => {
  const timing = (rounds: readonly number[]) => ({ name: 'x', microseconds: median(rounds), rounds });

  it('are medians', () => {
    expect(median([3])).toBe(3);
    expect(median([9, 1, 3])).toBe(3);
    expect(median([9, 1, 3, 5])).toBe(4);
  });

  it('compare within a round, so that a slow one does not count', () => {
    const one = timing([2, 20, 2]);
    const other = timing([1, 10, 1.5]);
    expect(ratioOf(one, other)).toBe(2);
    expect(differenceOf(one, other)).toBe(1);
  });
});

describe('the requests of the cache bench', () => {
  it.each([
    [800, 2],
    [10_000, 8],
  ])('are of about %i bytes and all different', (bytes, messages) => {
    const requests = chatRequests(32, bytes, messages);
    expect(new Set(requests.map((request) => JSON.stringify(request))).size).toBe(32);
    for (const request of requests) {
      expect(request.messages).toHaveLength(messages);
      expect(Math.abs(JSON.stringify(request).length / bytes - 1)).toBeLessThan(0.05);
    }
  });
});

describe('the traces of the cache bench', () => {
  it('hold a key on each line, packed or not, however the lines end', () => {
    const keys = ['0', '1', '0', 'seven'];
    expect(keysOf(Buffer.from(keys.join('\n')), 'a.txt')).toEqual(keys);
    expect(keysOf(gzipSync(`${keys.join('\r\n')}\r\n`), 'a.trace.gz')).toEqual(keys);
  });

  it('are refused if they hold anything else', () => {
    expect(() => keysOf(Buffer.from('0\n1 2\n'), 'a.txt')).toThrow(
      new CannotRunError('a.txt holds more than one key in line 2'),
    );
    expect(() => keysOf(Buffer.from([0x1f, 0x8b, 0, 0]), 'a.trace.gz')).toThrow('a.trace.gz is damaged');
    expect(() => readTraces(join(__dirname, 'no such directory'))).toThrow(CannotRunError);
    expect(() => readTraces(__dirname)).toThrow('holds no .txt, .trace or .trace.gz');
  });

  it('hit as often as keys come back before they leave', () => {
    const trace = { name: 'small', keys: ['a', 'b', 'a', 'c', 'd', 'a'] };
    expect(hitsOf(trace, new Map())).toBe(2);
    expect(hitsOf(trace, new LRUCache({ max: 2 }))).toBe(1);
  });

  it('hit in rxllm as in lru-cache', () => {
    const keys = Array.from({ length: 20_000 }, (_, index) => String((index * index) % 1_777));
    const { tables, verdicts } = measureRates([{ name: 'squares', keys }], { isQuick: false });
    expect(verdicts.map(({ isKept }) => isKept)).toEqual([true, true, true]);
    expect(tables[0]!.rows[0]!.slice(0, 3)).toEqual(['squares', '20,000', '889']);
    expect(tables[0]!.rows[0]![3]).not.toMatch(/^0\.0/);
  });

  it('are left out with a word if none are given', () => {
    const section = measureRates(undefined, { isQuick: false });
    expect(section.about).toContain('--traces DIR');
    expect(section.verdicts).toEqual([]);
  });
});

describe('the news desk of the cache bench', () => {
  it('makes a call for each story with a cache, and none in a second run', () => {
    const { tables, verdicts } = measureDesk(join(__dirname, '../../demos/news-desk/sample/events.jsonl'));
    expect(verdicts.map(({ isKept }) => isKept)).toEqual([true, true, true]);
    const calls = tables[0]!.rows.map((row) => Number(row[2]));
    const stories = calls[1]!;
    expect(calls).toEqual([306, stories, 0, 306, stories, 0]);
    expect(stories).toBeLessThan(153);
    const timesAsFast = tables[0]!.rows.map((row) => Number(row[4]));
    expect(timesAsFast[1]).toBeGreaterThan(2);
    expect(timesAsFast[4]).toBeGreaterThan(2);
  });
});

describe('the page of the cache bench', () => {
  it('says of each bound whether it is kept', () => {
    const section = {
      title: 'A hit',
      answer: 'It costs little.',
      about: 'What it costs.',
      tables: [{ head: ['A hit of', 'µs'], rows: [['`rxllm`', '1.0']] }],
      verdicts: [exactly('one', '1', '1'), exactly('other', '1', '2')],
    };
    const text = page({ title: 'A page', command: 'npm run it', reading: 'All figures are so.' }, [section], {
      date: '2026-01-01',
      node: '20.0.0',
      machine: 'a machine',
      versions: [['rxjs', '7.8.2']],
    });
    expect(text).toContain('2026-01-01, Node 20.0.0, a machine; rxjs 7.8.2.');
    expect(text).toContain('Kept: 1 of 2.');
    expect(text).toContain('| one | 1 | 1 | kept |');
    expect(text).toContain('| other | 1 | 2 | **missed** |');
    expect(text).toContain(
      '# A page\n\nIt costs little.\n\n| A hit of | µs |\n| --- | ---: |\n| `rxllm` | 1.0 |',
    );
  });
});
