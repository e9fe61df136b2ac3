import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startModelServer, type ModelServer, type ModelServerOptions } from '../../demos/model-server/server';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Setting {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly during?: (child: ChildProcess, output: string) => void;
}

/** What it says at once, before it has loaded anything. */
const starting = 'Starting…\n';

const root = join(__dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'news-desk-'));
const servers: Pick<ModelServer, 'close'>[] = [];

jest.setTimeout(30_000);

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the desk as a user would, and waits for its end. */
function runDesk(
  flags: readonly string[],
  { environment = {}, input = '', during }: Setting = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'demos/news-desk/main.ts', ...flags], {
    cwd: root,
    env: { ...process.env, OPENAI_BASE_URL: '', OPENAI_API_KEY: '', ...environment },
  });
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => {
      stdout += data.toString();
      during?.(child, stdout);
    });
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

async function start(options: ModelServerOptions = {}): Promise<ModelServer> {
  const server = await startModelServer({ latencyBase: 1, latencyPerToken: 0, ...options });
  servers.push(server);
  return server;
}

/** A model that answers with prose, whatever it is asked for. */
async function startChatty(): Promise<{ url: string }> {
  const message = { role: 'assistant', content: 'That is bad news indeed.' };
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push({
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

interface Row {
  readonly id: string;
  readonly ok: boolean;
  readonly source?: string;
  readonly error?: { readonly name: string };
}

const rowsOf = (file: string): Row[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

describe('the desk with --stream', () => {
  it('reads the same answers token by token', async () => {
    const { url } = await start();
    const flags = ['--limit', '20', '--speed', 'max', '--json'];
    const environment = { OPENAI_BASE_URL: url };
    const [whole, streamed] = await Promise.all([
      runDesk(flags, { environment }),
      runDesk([...flags, '--stream'], { environment }),
    ]);
    const figuresOf = ({ stdout }: Ended) => JSON.parse(stdout.trim().split('\n').at(-1)!) as object;
    expect(streamed).toMatchObject({ code: 0, stderr: whole.stderr });
    expect(figuresOf(streamed)).toMatchObject({
      answered: 20,
      failed: 0,
      firstToken: { p50: expect.any(Number) as unknown },
    });
    expect(figuresOf(whole)).not.toHaveProperty('firstToken');
  });
});

describe('the news desk', () => {
  it('answers every event with its own server, and prints nothing but JSON', async () => {
    const output = join(folder, 'all.jsonl');
    const { code, stdout, stderr } = await runDesk([
      ...['--limit', '40', '--speed', 'max', '--json', '--output', output],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const figures = lines.pop()!;
    expect(lines.every(({ type }) => type === 'snapshot')).toBe(true);
    expect(figures).toMatchObject({ type: 'final', events: 40, answered: 40, failed: 0, refused: 0 });
    expect(figures['calls']).toBeLessThan(40);
    const rows = rowsOf(output);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(40);
    expect(rows.every(({ ok }) => ok)).toBe(true);
    expect(rows.some(({ source }) => source !== 'call')).toBe(true);
  });

  it('says in one sentence why it cannot run', async () => {
    const empty = join(folder, 'empty.csv');
    writeFileSync(empty, 'title,text\n');
    const [missing, flag, none, folderless] = await Promise.all([
      runDesk(['--input', join(folder, 'missing.jsonl')]),
      runDesk(['--bogus']),
      runDesk(['--input', empty]),
      runDesk(['--output', join(folder, 'nowhere', 'out.jsonl')]),
    ]);
    expect(missing).toEqual({
      code: 1,
      stdout: starting,
      stderr: `${join(folder, 'missing.jsonl')} cannot be read: there is no such file.\n`,
    });
    expect(flag).toEqual({ code: 2, stdout: '', stderr: "Unknown option '--bogus'; see --help.\n" });
    expect(none).toEqual({ code: 1, stdout: starting, stderr: `${empty} holds no events.\n` });
    expect(folderless).toMatchObject({ code: 1, stdout: starting });
    expect(folderless.stderr).toContain('its folder does not exist');
  });

  it('makes no call for stories whose answers an earlier run has kept, and says what that saved', async () => {
    const { url } = await start({ requestsPerMinute: 60_000, tokensPerMinute: 60_000_000 });
    const flags = [
      '--speed',
      'max',
      '--limit',
      '60',
      '--json',
      '--quiet',
      '--cache',
      join(folder, 'answers'),
    ];
    const environment = { OPENAI_BASE_URL: url };
    const figuresOf = ({ stdout }: Ended) =>
      JSON.parse(stdout) as Record<string, number> & { saved: Record<string, number> };
    const first = await runDesk(flags, { environment });
    const second = await runDesk(flags, { environment });
    expect([first.code, second.code]).toEqual([0, 0]);
    const [before, after] = [figuresOf(first), figuresOf(second)];
    expect(before['calls']).toBeGreaterThan(10);
    expect(after).toMatchObject({
      answered: 60,
      failed: 0,
      calls: 0,
      inputTokens: 0,
      spent: 0,
      cacheHits: 60,
    });
    expect(after.saved['tokens']).toBe(
      before['inputTokens']! + before['outputTokens']! + before.saved['tokens']!,
    );
    expect(after.saved['latency']).toBeGreaterThan(0);
  });

  it('stops at the first call whose key is refused, and at an endpoint that is not there', async () => {
    const server = await start({ apiKey: 'right' });
    const gone = await startModelServer();
    await gone.close();
    const [unauthorized, unreachable] = await Promise.all([
      runDesk([], { environment: { OPENAI_BASE_URL: server.url, OPENAI_API_KEY: 'sk-wrong-key' } }),
      runDesk(['--speed', 'max'], { environment: { OPENAI_BASE_URL: gone.url } }),
    ]);
    expect(unauthorized).toEqual({
      code: 1,
      stdout: starting,
      stderr: `${server.url} does not accept the key (401); check OPENAI_API_KEY.\n`,
    });
    expect(server.statistics().received).toBeLessThanOrEqual(2);
    expect(unreachable).toMatchObject({
      code: 1,
      stderr: `${gone.url} cannot be reached: the connection was refused; check OPENAI_BASE_URL.\n`,
    });
  });

  it('skips broken lines of standard input, and writes failures into the results', async () => {
    const chatty = await startChatty();
    const working = await start();
    const output = join(folder, 'failures.jsonl');
    const [failing, skipping] = await Promise.all([
      runDesk(['--input', '-', '--quiet', '--output', output], {
        environment: { OPENAI_BASE_URL: chatty.url },
        input: '{"headline":"Profit warning"}\n',
      }),
      runDesk(['--input', '-', '--quiet'], {
        environment: { OPENAI_BASE_URL: working.url },
        input: '\ufeff{"headline":"Record profit"}\r\nnope\r\n{"headline":"Profit warning"}',
      }),
    ]);
    expect(failing.code).toBe(0);
    expect(rowsOf(output)).toEqual([
      expect.objectContaining({
        ok: false,
        error: expect.objectContaining({ name: 'MalformedAnswerError' }) as object,
      }),
    ]);
    expect(skipping.code).toBe(0);
    expect(skipping.stderr).toBe('Standard input: line 2 is not JSON; skipped.\n');
    expect(skipping.stdout).toContain('1 positive, 0 neutral, 1 negative');
  });

  it('stops on Ctrl-C with the figures so far, and leaves no call running', async () => {
    const server = await start({ latencyBase: 1_500, requestsPerMinute: 6_000 });
    const output = join(folder, 'stopped.jsonl');
    let isStopped = false;
    const { code, stdout } = await runDesk(['--json', '--speed', 'max', '--output', output], {
      environment: { OPENAI_BASE_URL: server.url },
      during: (child, text) => {
        const last = text.trimEnd().split('\n').at(-1)!;
        if (!isStopped && last.includes('"answered":') && !last.includes('"answered":0')) {
          isStopped = true;
          child.kill('SIGINT');
        }
      },
    });
    expect(code).toBe(130);
    const figures = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Record<string, number>;
    expect(figures).toMatchObject({ type: 'final', failed: 0 });
    expect(figures['answered']).toBeGreaterThan(0);
    expect(figures['stopped']).toBeGreaterThan(0);
    expect(rowsOf(output)).toHaveLength(figures['events']!);
    expect(server.statistics().running).toBe(0);
  });
});
