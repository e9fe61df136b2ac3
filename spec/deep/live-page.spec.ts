import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page as Tab } from 'playwright-core';
import { LLMCallOptimizer } from '../../lib/index';
import { serveStats, statsHandler } from '../../lib/live';
import { findChromium, startChromium, type OwnBrowser } from './browser/chromium';
import { simulate, type SimulationName } from './live-simulations';

jest.setTimeout(300_000);

const program = findChromium();
if (program === undefined) {
  console.warn(
    'NOT TESTED: there is no Chromium on this machine. `apt-get install chromium` makes this spec run.',
  );
}

(program === undefined ? describe.skip : describe)('the live page', () => {
  let own: OwnBrowser;
  const closers: (() => unknown)[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    own = await startChromium(program!);
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) {
      await close();
    }
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    expect(await own.close()).toEqual({ isRunning: false, hasProfile: false });
  });

  async function open(url: string, look: { dark?: boolean; width?: number } = {}): Promise<Tab> {
    const tab = await own.browser.newPage({
      colorScheme: look.dark ? 'dark' : 'light',
      viewport: { width: look.width ?? 1280, height: 900 },
    });
    closers.push(() => tab.close());
    tab.on('pageerror', (error) => complaints.push(String(error)));
    tab.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        complaints.push(message.text());
      }
    });
    await tab.goto(url);
    await tab.waitForSelector('.verdict');
    return tab;
  }

  async function served(optimizer = new LLMCallOptimizer()) {
    const server = await serveStats(optimizer, { port: 0 });
    closers.push(
      () => server.close(),
      () => optimizer.close(),
    );
    return { optimizer, url: server.url };
  }

  const textOf = (tab: Tab, selector: string) => tab.textContent(selector).then((text) => text ?? '');

  describe.each<[SimulationName, RegExp, RegExp]>([
    ['nothing', /idle/, /No request has come yet/],
    ['one', /idle/, /Nothing waits and nothing runs/],
    ['thousand', /good|warning/, /The (pace is|limit 'requests')/],
    ['hundredThousand', /warning/, /Every slot is taken/],
    ['storm', /bad/, /lets nothing through \(429\).*Until/],
    ['outage', /bad/, /Most of the last calls failed/],
    ['quota', /bad/, /serves nothing for now.*quota-spent.*Until 28 Nov 2026/],
  ])('with %s', (name, tone, verdict) => {
    it('says first what holds the next request, and fits any screen', async () => {
      const { served: serving, end } = simulate(name, (optimizer) =>
        serveStats(optimizer, { port: 0, lanes: 5, currency: '$' }),
      );
      const server = await serving;
      closers.push(() => server.close(), end);
      for (const look of [{}, { dark: true }, { width: 390 }, { width: 320, dark: true }]) {
        const tab = await open(server.url, look);
        expect(await tab.getAttribute('.verdict', 'class')).toMatch(tone);
        expect(await textOf(tab, '.verdict .text')).toMatch(verdict);
        const { wide, theme, charts } = await tab.evaluate(() => {
          const { document, innerWidth } = globalThis as unknown as {
            innerWidth: number;
            document: {
              documentElement: { scrollWidth: number; dataset: Record<string, string> };
              querySelectorAll(selector: string): { length: number };
            };
          };
          return {
            wide: Math.max(0, document.documentElement.scrollWidth - innerWidth),
            theme: document.documentElement.dataset['theme'],
            charts: document.querySelectorAll('canvas').length,
          };
        });
        expect([wide, theme, charts]).toEqual([0, look.dark ? 'dark' : 'light', 2]);
        expect(await tab.locator('h2').allTextContents()).toEqual([
          'In and out',
          'Waits',
          'Budgets',
          'Running',
          'Hits, joins and money',
          'Latency and queue wait',
          'Errors',
        ]);
        await tab.close();
      }
    });
  });

  it('follows what happens', async () => {
    const { optimizer, url } = await served();
    const tab = await open(url);
    expect(await textOf(tab, '.flow dd')).toBe('0');
    await optimizer.call(() => Promise.resolve(1), 'a');
    await tab.locator('.flow dd').first().and(tab.locator(':text-is("1")')).waitFor({ timeout: 5000 });
  });

  it('can be used by keys alone', async () => {
    const { url } = await served();
    const tab = await open(url);
    await tab.keyboard.press('t');
    await tab.locator('html[data-theme=dark]').waitFor();
    await tab.keyboard.press('p');
    await tab.locator('.link:text-is("paused")').waitFor();
    await tab.keyboard.press('Tab');
    await tab.keyboard.press('Enter');
    await tab.locator('.link:text-is("live")').waitFor();
  });

  it('closes its stream while the tab is hidden, so that many tabs may be open', async () => {
    const handler = statsHandler(new LLMCallOptimizer());
    let streams = 0;
    const server = createServer((request, response) => {
      if (request.url === '/events') {
        streams++;
        response.on('close', () => streams--);
      }
      handler(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(
      () => server.close(),
      () => handler.close(),
    );
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const hide = (tab: Tab, isHidden: boolean) =>
      tab.evaluate((hidden) => {
        const { document } = globalThis as unknown as { document: EventTarget };
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event('visibilitychange'));
      }, isHidden);
    const tabs: Tab[] = [];
    for (let number = 0; number < 8; number++) {
      const tab = await open(url);
      await hide(tab, true);
      tabs.push(tab);
    }
    await expectSoon(() => streams, 0);
    await hide(tabs[7]!, false);
    await expectSoon(() => streams, 1);
  });

  it('polls where no stream gets through', async () => {
    const optimizer = new LLMCallOptimizer();
    const handler = statsHandler(optimizer);
    const server = createServer((request, response) => {
      if (request.url?.endsWith('/events')) {
        response.writeHead(502).end();
      } else {
        handler(request, response);
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(
      () => server.close(),
      () => handler.close(),
      () => optimizer.close(),
    );
    const tab = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/ops/rxllm`);
    expect(await textOf(tab, '.link')).toContain('polling');
    await optimizer.call(() => Promise.resolve(1), 'a');
    await tab.locator('.flow dd').first().and(tab.locator(':text-is("1")')).waitFor({ timeout: 8000 });
  });

  async function expectSoon(read: () => number, wanted: number): Promise<void> {
    for (let round = 0; round < 100 && read() !== wanted; round++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(read()).toBe(wanted);
  }
});
