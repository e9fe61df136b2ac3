import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Browser } from 'playwright-core';

/** The browser's program: `CHROMIUM_PATH`, or the first on the PATH that starts; undefined without one. */
export function findChromium(): string | undefined {
  const given = process.env['CHROMIUM_PATH'];
  return [...(given ? [given] : []), 'chromium', 'chromium-browser', 'google-chrome'].find(
    (program) => spawnSync(program, ['--version'], { timeout: 10_000 }).status === 0,
  );
}

const flags = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser of one's own, with a profile that is new and goes with it. */
export interface OwnBrowser {
  readonly browser: Browser;
  /** Ends it; tells what it has left behind. */
  close(): Promise<{ readonly isRunning: boolean; readonly hasProfile: boolean }>;
}

export async function startChromium(program: string): Promise<OwnBrowser> {
  // A server, because only that tells the process.
  const server = await chromium.launchServer({
    executablePath: spawnSync('sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8' }).stdout.trim(),
    headless: true,
    chromiumSandbox: false,
    args: flags,
  });
  const { pid, spawnargs } = server.process();
  const profile = spawnargs.find((argument) => argument.startsWith('--user-data-dir='))!.split('=')[1]!;
  const close = async () => {
    await server.close();
    // All its processes are of one group; the last of them end a moment after the first.
    for (let round = 0; round < 200 && isGroupAlive(pid!); round++) {
      await sleep(10);
    }
    return { isRunning: isGroupAlive(pid!), hasProfile: existsSync(profile) };
  };
  try {
    return { browser: await chromium.connect(server.wsEndpoint()), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function isGroupAlive(leader: number): boolean {
  try {
    return process.kill(-leader, 0);
  } catch {
    return false;
  }
}
