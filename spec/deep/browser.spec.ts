import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build, type BuildOptions } from 'esbuild';
import type { Page as Tab } from 'playwright-core';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import { findChromium, startChromium, type OwnBrowser } from './browser/chromium';
import { keyedRequests, unkeyedRequests } from './browser/keyed-requests';
import type { Page, WayToLeave } from './browser/page';
import { startPageServer, type PageServer } from './browser/page-server';

// A page is slow to begin with, and slower where much else runs.
jest.setTimeout(20_000);

const program = findChromium();
if (program === undefined) {
  console.warn(
    'NOT TESTED: there is no Chromium on this machine. `apt-get install chromium` makes this spec run.',
  );
}

const directory = join(__dirname, 'browser');

/** A bundle as a user's bundler makes it: nothing stands in for Node, so that an import of it fails. */
async function bundle(source: BuildOptions) {
  const { outputFiles, metafile, warnings } = await build({
    bundle: true,
    write: false,
    metafile: true,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    logLevel: 'silent',
    ...source,
  });
  return { text: outputFiles![0]!.text, metafile: metafile!, warnings };
}

const bundleOfPage = (minify: boolean) => bundle({ entryPoints: [join(directory, 'page.ts')], minify });

const scriptOfWorker = `
importScripts('/page.js');
onmessage = async ({ data: [name, ...given] }) => {
  try {
    postMessage({ result: await page[name](...given) });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};`;

/** Where it runs, by the path of its page. */
const places = {
  '/window.html': 'a window',
  '/minified.html': 'a window, minified',
  '/worker.html': 'a worker',
} as const;
type Place = keyof typeof places;

interface Answer {
  readonly result?: unknown;
  readonly error?: string;
}

interface WorkerLike {
  postMessage(message: unknown): void;
  onmessage: (event: { readonly data: Answer }) => void;
}

describe('the bundle for browsers', () => {
  it('has all it needs and nothing of Node', async () => {
    const { metafile, warnings } = await bundleOfPage(false);
    expect(warnings).toEqual([]);
    const inputs = Object.keys(metafile.inputs);
    for (const part of ['lib/index.ts', 'lib/testing.ts', 'rxjs/', '@noble/hashes/']) {
      expect([part, inputs.some((input) => input.includes(part))]).toEqual([part, true]);
    }
    // As esbuild calls what a package.json says is nothing in browsers.
    expect(inputs.filter((input) => input.includes('(disabled)'))).toEqual([]);
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
    expect(imports.filter(({ external }) => external)).toEqual([]);
  });

  it('cannot be made of what imports Node', async () => {
    const contents = "import { hash } from 'node:crypto'; console.log(hash);";
    await expect(bundle({ stdin: { contents, resolveDir: directory } })).rejects.toThrow('node:crypto');
  });

  it('can be made of rxllm/openai', async () => {
    const contents = "import { openaiCall } from 'rxllm/openai'; console.log(openaiCall);";
    const { warnings } = await bundle({ stdin: { contents, resolveDir: directory } });
    expect(warnings).toEqual([]);
  });
});

(program === undefined ? describe.skip : describe)('in Chromium', () => {
  let server: PageServer;
  let own: OwnBrowser;
  const closers: (() => Promise<unknown>)[] = [];
  const tabs = new Map<Place, Tab>();
  /** Errors and warnings on the console, uncaught errors, rejections that nobody handled. */
  const complaints: string[] = [];

  beforeAll(async () => {
    const [plain, minified] = await Promise.all([bundleOfPage(false), bundleOfPage(true)]);
    const script = (text: string) => ({ type: 'text/javascript', text });
    const html = (text: string) => ({
      type: 'text/html',
      text: `<!doctype html><title>rxllm</title>${text}`,
    });
    server = await startPageServer({
      '/page.js': script(plain.text),
      '/page.min.js': script(minified.text),
      '/worker.js': script(scriptOfWorker),
      '/window.html': html('<script src="/page.js"></script>'),
      '/minified.html': html('<script src="/page.min.js"></script>'),
      '/worker.html': html('<script>worker = new Worker("/worker.js")</script>'),
    });
    closers.push(() => server.close());
    own = await startChromium(program!);
    closers.push(async () => expect(await own.close()).toEqual({ isRunning: false, hasProfile: false }));
  }, 60_000);

  afterAll(async () => {
    const closed = await Promise.allSettled(closers.map((close) => close()));
    expect(closed.filter(({ status }) => status === 'rejected')).toEqual([]);
    // What came after the last spec.
    expect(complaints).toEqual([]);
  }, 30_000);

  async function tabOf(place: Place): Promise<Tab> {
    const known = tabs.get(place);
    if (known) {
      return known;
    }
    const tab = await own.browser.newPage();
    tab.on('pageerror', (error) => complaints.push(`${place}: ${String(error)}`));
    tab.on('console', (message) => {
      // The browser's own remark on a status or a lost connection.
      const isOfNetwork = message.text().startsWith('Failed to load resource');
      if (['error', 'warning'].includes(message.type()) && !isOfNetwork) {
        complaints.push(`${place}: ${message.text()}`);
      }
    });
    await tab.goto(server.origin + place);
    tabs.set(place, tab);
    return tab;
  }

  /** Has a page do something, in its worker where that is the place. */
  async function ask<Name extends keyof Page>(
    place: Place,
    name: Name,
    ...given: Parameters<Page[Name]>
  ): Promise<Awaited<ReturnType<Page[Name]>>> {
    const tab = await tabOf(place);
    const answer: Answer = await tab.evaluate(
      async ([asked, ...rest]) => {
        const { page, worker } = globalThis as unknown as {
          page?: Record<string, (...values: unknown[]) => unknown>;
          worker?: WorkerLike;
        };
        if (!worker) {
          return { result: await page![asked]!(...rest) };
        }
        return new Promise<Answer>((resolve) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.postMessage([asked, ...rest]);
        });
      },
      [name, ...given] as [string, ...unknown[]],
    );
    if (answer.error !== undefined) {
      throw new Error(answer.error);
    }
    return answer.result as Awaited<ReturnType<Page[Name]>>;
  }

  async function until(condition: () => boolean, within = 2000): Promise<void> {
    for (const end = Date.now() + within; !condition() && Date.now() < end;) {
      await sleep(5);
    }
  }

  describe.each(Object.entries(places))('%s, %s', (path) => {
    const place = path as Place;
    const reached = () => server.takeSeen().map(({ story }) => story);

    beforeEach(() => {
      server.takeSeen();
    });

    afterEach(async () => {
      expect(complaints.splice(0)).toEqual([]);
      expect((await ask(place, 'timers')).left).toBe(0);
    });

    it('notices what goes wrong', async () => {
      expect(await ask(place, 'misbehave')).toBe(1);
      await until(() => complaints.length === 3);
      expect(
        complaints
          .splice(0)
          .map((text) => text.replace(/^.*?: /, ''))
          .sort(),
      ).toEqual(['A warning.', 'Error: Nobody handles this one, either.', 'Error: Nobody handles this.']);
    });

    it('has nothing of Node', async () => {
      const globals = place === '/worker.html' ? [] : ['window', 'document'];
      expect(await ask(place, 'globals')).toEqual(globals);
    });

    it('runs the chain: paced, shared, cached, counted', async () => {
      const result = await ask(place, 'chain');
      expect(result).toMatchObject({
        first: [
          'gold: GOLD (call)',
          'gold: GOLD (shared)',
          'oil: OIL (call)',
          'oil: OIL (shared)',
          'tin: TIN (call)',
        ],
        again: ['tin: TIN (cache)', 'gold: GOLD (cache)', 'oil: OIL (cache)'],
        againAt: [
          [0, 0],
          [0, 0],
          [0, 0],
        ],
        size: 3,
        starts: 3,
        isPaced: true,
        isLive: true,
        isStatsDone: true,
        metrics: { totalCalls: 8, cacheHits: 3, cacheMisses: 5, sharedCalls: 2, failedCalls: 0 },
        // Of the cache, which sweeps what expires.
        sweeping: 1,
      });
      // Each on a connection of its own, of which no one knows which is the first to get through.
      expect(reached().sort()).toEqual(['gold', 'oil', 'tin']);
      expect((await ask(place, 'timers')).made).toBeGreaterThan(3);
    });

    it('gives the one slot by priority', async () => {
      const { started, outcomes } = (await ask(place, 'priorities')) as Record<string, readonly string[]>;
      expect(started).toEqual([
        'first',
        ...[1, 2].flatMap((number) =>
          ['critical', 'high', 'medium', 'low'].map((name) => `${name} ${number}`),
        ),
      ]);
      expect(reached()).toEqual(started);
      expect(outcomes).toEqual(started!.map((story) => `${story}: ${story.toUpperCase()} (call)`));
    });

    it('answers promises', async () => {
      expect(await ask(place, 'promises')).toEqual({
        batch: ['zinc: ZINC (call)', 'lead: LEAD (call)', 'zinc: ZINC (shared)', 'iron: IRON (call)'],
        one: { text: 'LEAD' },
        next: { text: 'COAL' },
        isFrozen: true,
        why: 'No request with this key was answered lately.',
        perMinute: 6000,
        late: 'ClosedError: The LLMCallOptimizer is closed. Make a new one for further requests.',
        isLive: true,
        metrics: { totalCalls: 6, cacheHits: 1, sharedCalls: 1 },
      });
      expect(reached().sort()).toEqual(['coal', 'iron', 'lead', 'zinc']);
    });

    it('tries again what was refused or lost on the way', async () => {
      expect(await ask(place, 'retries')).toEqual({
        refused: 'rice: RICE (call)',
        waitedLongEnough: true,
        cut: 'corn: CORN (call)',
        failures: ['Error: The server answered 429.', 'TypeError: Failed to fetch'],
      });
      expect(reached()).toEqual(['rice', 'rice', 'corn', 'corn']);
    });

    it('makes the keys that Node makes', async () => {
      const keys = await ask(place, 'keys');
      expect(keys).toEqual(
        keyedRequests.map((row) => row().map((request) => LLMResultCache.generateKey(request))),
      );
      const distinct = keys.map((row) => new Set(row));
      expect(distinct.map(({ size }) => size)).toEqual(keys.map(() => 1));
      expect(new Set(keys.flat()).size).toBe(keys.length);
    });

    it('makes no key of what Node makes none of', async () => {
      const said = unkeyedRequests.map((make) => {
        try {
          return LLMResultCache.generateKey(make());
        } catch (error) {
          return (error as Error).message;
        }
      });
      expect(said.filter((text) => !text.startsWith('The value at request'))).toEqual([]);
      expect(await ask(place, 'refusals')).toEqual(said);
    });

    it.each<[WayToLeave, object]>([
      ['unsubscribe', { reasons: ['AbortError', 'AbortError'] }],
      [
        'timeout',
        { reasons: ['TimeoutError', 'TimeoutError'], errors: ['CallTimeoutError', 'CallTimeoutError'] },
      ],
      ['take', { reasons: ['AbortError', 'AbortError'], outcomes: ['quick: QUICK (call)'] }],
      [
        'signal',
        {
          reasons: ['AbortError', 'AbortError'],
          errors: ['AbortError', 'AbortError', 'AbortError'],
          active: 0,
          queued: 0,
        },
      ],
      [
        'close',
        { reasons: ['AbortError', 'AbortError'], errors: ['ClosedError', 'ClosedError', 'ClosedError'] },
      ],
    ])('hangs up on the provider on %s', async (how, expected) => {
      expect(await ask(place, 'leave', how)).toEqual(expected);
      const left = () => server.seen.filter(({ path }) => path !== '/answer');
      await until(() => left().every(({ isAbandoned }) => isAbandoned));
      // The third of them never began.
      const byStory = left().sort((one, other) => (one.story < other.story ? -1 : 1));
      expect(byStory).toMatchObject([
        { story: `${how} one`, isAbandoned: true },
        { story: `${how} two`, isAbandoned: true },
      ]);
    });

    it('stands a firehose', async () => {
      const count = 100_000;
      const fewer = 10_000;
      const all = { ok: fewer, isComplete: true };
      expect(await ask(place, 'firehose', count, fewer)).toEqual({
        plain: { ok: count, isComplete: true },
        ordered: all,
        throttled: all,
        optimized: all,
        started: 1,
        before: 0,
        backlog: count,
        promised: fewer,
      });
    }, 20_000);

    it('runs in virtual time against a simulated provider', async () => {
      expect(await ask(place, 'simulation')).toEqual({ answered: 500, ofProvider: 500 });
    });
  });

  it('knows what comes from a frame for what it is, and a node for no data', async () => {
    const { own: ours, others, nodes } = await ask('/window.html', 'foreign');
    expect(others).toEqual(ours);
    expect(nodes).toMatch('The value at request.node is of the class HTMLBodyElement');
  });
});
