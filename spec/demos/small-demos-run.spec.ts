import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { startModelServer } from '../../demos/model-server/server';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const root = join(__dirname, '../..');
const names = ['tuning', 'market-commentary', 'batch-analysis'] as const;

jest.setTimeout(30_000);

/** Runs a demo as a user would, and waits for its end. */
function runDemo(
  name: (typeof names)[number] | 'chat',
  flags: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', 'tsx', `demos/${name}/main.ts`, ...flags], {
    cwd: root,
    env: { ...process.env, OPENAI_BASE_URL: '', OPENAI_API_KEY: '', OPENAI_MODEL: '', ...environment },
  });
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

describe.each(names)('the demo %s', (name) => {
  it('gives help, and refuses every other flag', async () => {
    const [help, bogus] = await Promise.all([runDemo(name, ['--help']), runDemo(name, ['--bogus'])]);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain(`Usage: npm run demo:${name}\n`);
    expect(bogus).toEqual({ code: 2, stdout: '', stderr: "Unknown option '--bogus'; see --help.\n" });
  });

  it('says that the endpoint cannot be reached, and gives up', async () => {
    const gone = await startModelServer();
    await gone.close();
    const { code, stdout, stderr } = await runDemo(name, [], { OPENAI_BASE_URL: gone.url });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `${gone.url} cannot be reached: the connection was refused; check OPENAI_BASE_URL.\n`,
    });
    expect(stdout).not.toMatch(/cacheKey|limits/);
  });
});

describe('the demo batch-analysis', () => {
  it('shows an article that fails in spite of its second attempt, beside the empty one', async () => {
    const { code, stdout } = await runDemo('batch-analysis');
    expect(code).toBe(0);
    expect(stdout).toContain('failed after 1 attempt: The article is empty.');
    expect(stdout).toMatch(/failed after \d attempts: The endpoint answered 50\d/);
    expect(stdout).toMatch(/[56] answered and [23] failed/);
  });
});

describe('the demo chat', () => {
  it('shows how one stream serves those who join it, and the answer that it leaves those who come later', async () => {
    const { code, stdout } = await runDemo('chat');
    expect(code).toBe(0);
    const words = stdout.split('\n').map((line) => line.trim());
    expect(words.filter((word) => word === 'yields')).toHaveLength(3);
    // Bob has caught up before the answer is over.
    expect(words.indexOf('Bob asks')).toBeLessThan(words.indexOf('buy.'));
    expect(words.slice(-2)).toEqual(['1 call for three readers', '']);
  });
});

describe('the model server', () => {
  it('stops on Ctrl-C, and when the shell that it was started from is gone', async () => {
    const program = `"${process.execPath}" --import tsx demos/model-server/main.ts`;
    const ends = [`exec ${program}`, `${program}; true`].map(
      (command) =>
        new Promise<string>((resolve, reject) => {
          const child = spawn('sh', ['-c', command], { cwd: root });
          let stdout = '';
          child.stdout.on('data', (data: Buffer) => {
            stdout += data.toString();
            if (data.includes('Listening')) child.kill(command.startsWith('exec') ? 'SIGINT' : 'SIGTERM');
          });
          child.once('error', reject);
          // The server holds the pipe open as long as it runs.
          child.stdout.once('close', () => resolve(stdout));
        }),
    );
    for (const stdout of await Promise.all(ends)) expect(stdout).toContain('Closed.');
  });
});
