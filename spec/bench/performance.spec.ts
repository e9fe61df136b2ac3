import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { VirtualTimeScheduler } from 'rxjs';
import { bundle } from '../../bench/performance/bundle';
import { Churn } from '../../bench/performance/churn';
import { readOptions } from '../../bench/performance/options';
import { pageHead } from '../../bench/performance/page-head';
import { requestsOf, sumOf } from '../../bench/performance/requests';
import { bytesARequest } from '../../bench/performance/soak';
import { UsageError } from '../../bench/shared/flags';
import { page, terminalSection, terminalVerdicts } from '../../bench/shared/report';
import { atLeast, atMost } from '../../bench/shared/verdicts';
import { written } from '../../bench/shared/written';

const root = join(__dirname, '../..');

/** What the program of the spec found, which runs the bench’s own modules as the bench does. */
async function found(entry: string): Promise<unknown> {
  const { path, remove } = await bundle(root, join('spec/bench', entry));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', path], { cwd: root });
    return JSON.parse(stdout);
  } finally {
    remove();
    expect(existsSync(dirname(path))).toBe(false);
  }
}

describe('the options of the performance bench', () => {
  it('run all parts and write the page unless told otherwise', () => {
    expect(readOptions([])).toEqual({
      quick: false,
      check: false,
      only: ['cost', 'growth', 'memory', 'soak', 'seeds'],
      isFull: true,
    });
  });

  it.each([[['--quick']], [['--only', 'cost']], [['--only', 'soak', '--quick', '--check']]])(
    'write no page for %j',
    (flags) => {
      expect(readOptions(flags)!.isFull).toBe(false);
    },
  );

  it('take each part once, in the order of the page', () => {
    const { only } = readOptions(['--only', 'soak', '--only', 'cost', '--only', 'soak'])!;
    expect(only).toEqual(['cost', 'soak']);
  });

  it('ask for help', () => {
    expect(readOptions(['--help'])).toBeUndefined();
  });

  it.each([
    [['--only', 'speed'], '--only must be one of cost, growth, memory, soak, seeds, but is "speed"'],
    [['--fast'], "Unknown option '--fast'"],
    [['cost'], "Unexpected argument 'cost'"],
  ])('refuse %j', (flags, message) => {
    expect(() => readOptions(flags)).toThrow(UsageError);
    expect(() => readOptions(flags)).toThrow(message);
  });
});

describe('the requests of the performance bench', () => {
  it('are the same every time, of one priority or of four alike', () => {
    expect(requestsOf(100, { priorities: 'four' })).toEqual(requestsOf(100, { priorities: 'four' }));
    expect(new Set(requestsOf(100, { priorities: 'one' }).map(({ priority }) => priority)).size).toBe(1);
    const counts = new Map<string, number>();
    for (const { priority } of requestsOf(10_000, { priorities: 'four' })) {
      counts.set(priority, (counts.get(priority) ?? 0) + 1);
    }
    expect([...counts.values()].every((count) => Math.abs(count - 2_500) < 150)).toBe(true);
    expect(counts.size).toBe(4);
  });

  it('have as many keys as they should', () => {
    const keys = (kind: 'all' | number) =>
      new Set(requestsOf(100, { priorities: 'four', keys: kind }).map(({ cacheKey }) => cacheKey)).size;
    expect(keys('all')).toBe(100);
    expect(keys(7)).toBe(7);
    expect(sumOf(requestsOf(5, { priorities: 'one' }))).toBe(10);
  });
});

describe('the bounds of the performance bench', () => {
  it('are kept at the bound and missed beyond it, or if nothing was measured', () => {
    expect(atMost('a call', 1.25, 1.25, 2, '×').isKept).toBe(true);
    expect(atMost('a call', 1.26, 1.25, 2, '×').isKept).toBe(false);
    expect(atMost('a call', NaN, 1.25, 2, '×')).toMatchObject({ isKept: false, measured: 'not measured' });
    expect(atLeast('a hit', 1_000, 1_000, 0, '×')).toEqual({
      what: 'a hit',
      measured: '1,000 ×',
      bound: 'at least 1,000 ×',
      isKept: true,
    });
    expect(atLeast('a hit', 999, 1_000, 0, '×').isKept).toBe(false);
    expect(atLeast('a hit', NaN, 1_000, 0, '×').isKept).toBe(false);
  });

  it('show on which side of the bound a figure lies', () => {
    expect(atMost('an entry', 200.3, 200, 0, 'bytes').measured).toBe('200.3 bytes');
    expect(atMost('an entry', 199.96, 200, 0, 'bytes').measured).toBe('199.96 bytes');
    expect(atMost('an entry', 200, 200, 0, 'bytes').measured).toBe('200 bytes');
    expect(atMost('an entry', 168.4, 200, 0, 'bytes').measured).toBe('168 bytes');
    expect(atMost('an entry', 200 + 1e-12, 200, 0, 'bytes').isKept).toBe(false);
    expect(atLeast('a batch', 2.848, 2.85, 2, '×').measured).toBe('2.848 ×');
  });
});

describe('the numbers of the benches', () => {
  it.each([
    [2_704, 0, '2,704'],
    [4_072.049, 2, '4,072.05'],
    [-808.4, 0, '−808'],
    [-0.001, 2, '0.00'],
    [0.66, 2, '0.66'],
  ])('%p with %i decimals', (value, digits, text) => {
    expect(written(value, digits)).toBe(text);
  });
});

describe('the figures of the performance bench', () => {
  it('are right: every contender and holder does its work, and none takes longer than it may', async () => {
    const figures = await found('performance-program.ts');
    expect(figures).toEqual({
      wrong: [],
      contenders: 20,
      noticesWrongAnswers: true,
      stopsWhatTakesTooLong: true,
      estimates: [30, 1_000, 10, 100],
      ratios: [2, 3, 'NaN'],
      cells: [
        '1.23',
        '123',
        'not run: would take 45 s',
        'not run: would take 3 h',
        'stopped after 30 s',
        'left out',
      ],
      holders: { begun: 3, isUnharmed: true },
    });
  }, 60_000);
});

describe('a long life', () => {
  it('leaves nothing behind, whatever happens in it', async () => {
    const scheduler = new VirtualTimeScheduler();
    const churn = new Churn(scheduler);
    const none = { running: 0, waiting: 0, timers: 0, open: 0, cachedTooMany: 0 };
    for (let wave = 1; wave <= 10; wave += 1) {
      await churn.wave(600);
      expect({ wave, ...churn.leftovers() }).toEqual({ wave, ...none });
    }
    const { counts } = churn;
    // Streams that are left do not take all.
    expect(counts.requests).toBeGreaterThan(5_000);
    expect(counts.requests).toBeLessThanOrEqual(6_000);
    expect(counts.settled + counts.left).toBe(counts.requests);
    // Whoever stays gets an outcome for each request: four of ten waves, and half of two more at least.
    expect(counts.outcomes).toBeGreaterThanOrEqual(5 * 600);
    expect(counts.outcomes).toBeLessThanOrEqual(counts.settled);
    // All of it did happen, or the spec would prove nothing.
    expect(Object.entries(counts).filter(([, count]) => count === 0)).toEqual([]);
    churn.close();
    expect(scheduler.actions.filter(({ closed }) => !closed)).toEqual([]);
  }, 30_000);
});

describe('the heap of a long life', () => {
  it('changes by the slope of all weighings', () => {
    const weighed = (...heaps: number[]) =>
      heaps.map((bytes, index) => ({ requests: 1_000 * (index + 1), bytes }));
    expect(bytesARequest(weighed(5_000, 5_000, 5_000))).toBe(0);
    expect(bytesARequest(weighed(5_000, 7_000, 9_000))).toBe(2);
    // What lies in between counts, too.
    expect(bytesARequest(weighed(5_000, 8_000, 9_000, 5_000))).toBeCloseTo(0.1);
    expect(bytesARequest(weighed(9_000, 8_000, 7_000))).toBe(-1);
  });
});

describe('the page of the performance bench', () => {
  const section = {
    title: 'The cost of a call',
    answer: 'It adds little.',
    about: 'What it is.',
    tables: [{ head: ['A call of', 'µs'], rows: [['`rxllm`', '1.0']] }],
    reading: 'What it means.',
    verdicts: [atMost('a call', 1, 2, 1, '×'), atMost('a request', 49, 48, 0, 'bytes')],
  };
  const facts = {
    date: '2026-01-01',
    node: '20.0.0',
    machine: 'a machine',
    versions: [['rxjs', '7.8.2']] as const,
  };

  it('has machine, versions, bounds, figures and what they mean', () => {
    const text = page(pageHead, [section], facts);
    expect(text).toMatch(
      /^# What rxllm itself costs\n\nIt adds little\.\n\n\| A call of \|[^!]*\| `rxllm` \| 1\.0 \|\n\n!\[.*\]\(performance\.svg\)\n/,
    );
    expect(text).toContain(
      'Written by `npm run bench`; do not edit it by hand. 2026-01-01, Node 20.0.0, a machine; rxjs 7.8.2.',
    );
    expect(text).toContain('| a request | 49 bytes | at most 48 bytes | **missed** |');
    expect(text).toContain('## The cost of a call\n\nWhat it means.\n\nWhat it is.\n');
  });

  it('has a chart with a dot for each figure', () => {
    const chart = pageHead.chart!.draw({
      head: ['Waiting', '10: µs a call', '×', '20: µs a call', '×'],
      rows: [
        ['`rxllm`', '1.00', '1', '1,000', '2'],
        ['other', '10.00', '1', 'not run: would take 9 s', '–'],
      ],
    });
    const xs = [...chart.matchAll(/cx="([\d.]+)"/g)].map(([, x]) => Number(x));
    expect(xs).toEqual([542, 812, 632]);
    expect(chart).toContain('10, 20 waiting');
  });

  it('says on the terminal what is missed', () => {
    expect(terminalSection(section)).toContain('rxllm');
    expect(terminalVerdicts(section.verdicts)).toBe(
      'rxllm keeps 1 of 2 bounds.\n  a request: 49 bytes, but must be at most 48 bytes\n',
    );
  });
});
