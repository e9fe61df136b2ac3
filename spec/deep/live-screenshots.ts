/**
 * The pictures of `docs/live/`, of simulated runs.
 *
 * Run it: npm run docs:screenshots
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { serveStats } from '../../lib/live';
import { findChromium, startChromium } from './browser/chromium';
import { simulate, type SimulationName } from './live-simulations';

const folder = join(process.cwd(), 'docs/live');

const pictures: readonly {
  name: string;
  of: SimulationName;
  dark?: boolean;
  width: number;
  height?: number;
}[] = [
  { name: 'nothing', of: 'nothing', width: 1280 },
  { name: 'one', of: 'one', width: 1280 },
  { name: 'busy', of: 'thousand', width: 1280 },
  { name: 'backlog', of: 'hundredThousand', width: 1280 },
  { name: 'quota', of: 'quota', width: 1280 },
  { name: 'outage-dark', of: 'outage', dark: true, width: 1280 },
  { name: 'refused-phone', of: 'storm', width: 390, height: 844 },
];

async function main(): Promise<void> {
  const program = findChromium();
  if (program === undefined) {
    throw new Error('There is no Chromium: apt-get install chromium.');
  }
  mkdirSync(folder, { recursive: true });
  const own = await startChromium(program);
  try {
    for (const { name, of, dark = false, width, height } of pictures) {
      const { served, end } = simulate(of, (optimizer) =>
        serveStats(optimizer, { port: 0, title: 'News desk', currency: '$', lanes: 5 }),
      );
      const server = await served;
      const tab = await own.browser.newPage({
        colorScheme: dark ? 'dark' : 'light',
        viewport: { width, height: height ?? 900 },
      });
      await tab.goto(server.url);
      await tab.waitForSelector('canvas');
      // Bars grow for a moment.
      await tab.waitForTimeout(1000);
      await tab.screenshot({ path: join(folder, `${name}.png`), fullPage: height === undefined });
      process.stdout.write(`Written: docs/live/${name}.png\n`);
      end();
      await server.close();
    }
  } finally {
    await own.close();
  }
}

void main();
