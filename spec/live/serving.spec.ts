import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, get, request as ask, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import timers from 'node:timers';
import { LLMCallOptimizer, type OptimizerConfig } from '../../lib/index';
import {
  PortTakenError,
  serveStats,
  statsHandler,
  type LiveState,
  type ServeStatsOptions,
  type StatsServer,
} from '../../lib/live';

const secret = 'a secret that nobody may read';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function serve(options: ServeStatsOptions = {}, config: OptimizerConfig = {}) {
  const optimizer = new LLMCallOptimizer({ ...config });
  const server = await serveStats(optimizer, { port: 0, ...options });
  closers.push(
    () => server.close(),
    () => optimizer.close(),
  );
  return { optimizer, server };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

async function fetched(
  { port }: Pick<StatsServer, 'port'>,
  path: string,
  headers = {},
  method = 'GET',
): Promise<Answer> {
  const sent = ask({ host: '127.0.0.1', port, path, headers, method }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += part as string;
  }
  return { status: response.statusCode!, headers: response.headers, text };
}

const stateOf = async (server: StatsServer) =>
  JSON.parse((await fetched(server, '/state.json')).text) as LiveState;

/** A page's stream: its messages, as they come. */
async function streamOf({ url }: StatsServer) {
  const [response] = (await once(get(`${url}events`), 'response')) as [IncomingMessage];
  closers.push(() => response.destroy());
  return {
    response,
    next: async () => {
      const [chunk] = (await once(response, 'data')) as [Buffer];
      return JSON.parse(String(chunk).replace(/^data: /, '')) as LiveState;
    },
  };
}

describe('serveStats', () => {
  it('serves the page, which may load and run nothing but itself', async () => {
    const { server } = await serve();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/`);
    const { status, headers, text } = await fetched(server, '/');
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    const policy = String(headers['content-security-policy']);
    const [, script] = /<script>(.*)<\/script>/s.exec(text)!;
    const [, style] = /<style>(.*)<\/style>/s.exec(text)!;
    for (const [kind, part] of [
      ['script-src', script!],
      ['style-src', style!],
    ] as const) {
      const hash = createHash('sha256').update(part).digest('base64');
      expect(policy).toContain(`${kind} 'sha256-${hash}';`);
    }
    expect(policy).toMatch(/^default-src 'none';/);
    expect(text.match(/(?:src|href)="(?!data:|\.\/)[^"]*"/g)).toBeNull();
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('tells the state, without anything of requests and answers', async () => {
    const { server, optimizer } = await serve({ title: 'Desk' });
    const call = (request: { prompt: string }) => Promise.resolve(request);
    const failing = () => Promise.reject(Object.assign(new Error(secret), { status: 400, code: secret }));
    const request = { prompt: secret, lane: secret, cacheTags: [secret] };
    await optimizer.call(call, request, { namespace: secret });
    for (const namespace of ['one', 'two']) {
      await expect(optimizer.call(failing, request, { namespace })).rejects.toThrow();
    }
    const state = await stateOf(server);
    expect(state).toMatchObject({
      title: 'Desk',
      isClosed: false,
      snapshot: { metrics: { totalCalls: 3, failedCalls: 2 } },
      errors: [{ kind: 'bad-request', count: 2, recent: 2 }],
      lanes: [],
      points: [],
    });
    expect(state.verdict.text).toContain('2 of 3 calls of the last minute failed (bad-request)');
    const texts = await Promise.all(
      ['/', '/state.json?since=-Infinity', '/metrics'].map((path) => fetched(server, path)),
    );
    expect(JSON.stringify([texts, await (await streamOf(server)).next()])).not.toContain(secret);
  });

  it('tells lanes that were asked for, and no more of them', async () => {
    const { server, optimizer } = await serve({ lanes: 2 }, { maxConcurrent: 10 });
    const lanes = ['a', 'b', 'a', 'c', 'd'];
    await optimizer.callBatch(
      (request: { lane: string }) => Promise.resolve(request),
      lanes.map((lane, number) => ({ lane, number })),
    );
    expect(
      (await stateOf(server)).lanes.map(({ lane, started, waiting }) => [lane, started, waiting]),
    ).toEqual([
      ['a', 2, 0],
      ['b', 1, 0],
      ['other', 2, 0],
    ]);
  });

  it('tells the metrics as Prometheus reads them', async () => {
    const { server } = await serve();
    const { headers, text } = await fetched(server, '/metrics');
    expect(headers['content-type']).toContain('text/plain; version=0.0.4');
    expect(text).toContain('rxllm_requests_received_total 0\n');
  });

  it('streams the state to a page until that leaves, and has no timer then', async () => {
    const { server, optimizer } = await serve();
    const set = jest.spyOn(timers, 'setInterval');
    const cleared = jest.spyOn(timers, 'clearInterval');
    closers.push(
      () => set.mockRestore(),
      () => cleared.mockRestore(),
    );
    const { response, next } = await streamOf(server);
    expect(response.headers['content-type']).toBe('text/event-stream');
    expect((await next()).snapshot.metrics.totalCalls).toBe(0);
    await optimizer.call(() => Promise.resolve(1), 'a');
    const second = await next();
    expect(second.snapshot.metrics.totalCalls).toBe(1);
    expect(set).toHaveBeenCalledTimes(1);
    response.destroy();
    while (cleared.mock.calls.length === 0) {
      await fetched(server, '/state.json');
    }
    expect(cleared).toHaveBeenCalledWith(set.mock.results[0]!.value);
  });

  it('shows the last figures of an optimizer that was closed', async () => {
    const { server, optimizer } = await serve();
    optimizer.close();
    expect(await stateOf(server)).toMatchObject({ isClosed: true, verdict: { tone: 'idle' } });
  });

  it.each<[string, object, number, ServeStatsOptions]>([
    ['a name that was rebound to this machine', { host: 'evil.example' }, 403, {}],
    ['the same with a port', { host: 'evil.example:80' }, 403, {}],
    ['localhost', { host: 'localhost:1234' }, 200, {}],
    ['the loopback address', { host: '127.0.0.1' }, 200, {}],
    ['that of version 6', { host: '[::1]:80' }, 200, {}],
    ['a name that is allowed', { host: 'Ops.Example' }, 200, { allowedHosts: ['ops.example'] }],
  ])('asks who is asked: %s', async (_name, headers, status, options) => {
    const { server } = await serve(options);
    for (const path of ['/', '/state.json', '/metrics']) {
      expect((await fetched(server, path, headers)).status).toBe(status);
    }
    if (status === 403) {
      expect((await fetched(server, '/events', headers)).status).toBe(403);
    }
  });

  it.each([
    ['//', 200],
    ['//[', 200],
    ['//evil.example/state.json?since=x', 200],
    ['http://a:b:c/', 400],
  ])('answers an address that cannot be parsed: %s', async (path, status) => {
    const { server } = await serve();
    expect((await fetched(server, path)).status).toBe(status);
    expect((await fetched(server, path, { host: 'evil.example' })).status).toBe(403);
  });

  it('reads only', async () => {
    const { server } = await serve();
    expect((await fetched(server, '/state.json', {}, 'POST')).status).toBe(405);
    expect(await fetched(server, '/', {}, 'HEAD')).toMatchObject({ status: 200, text: '' });
    expect(await fetched(server, '/events', {}, 'HEAD')).toMatchObject({ status: 200, text: '' });
    expect((await fetched(server, '/favicon.ico')).status).toBe(404);
  });

  it('says what to do when the port is taken', async () => {
    const { server, optimizer } = await serve();
    const taken = serveStats(optimizer, { port: server.port });
    await expect(taken).rejects.toBeInstanceOf(PortTakenError);
    await expect(taken).rejects.toMatchObject({ code: 'port-taken', port: server.port });
    await expect(taken).rejects.toThrow(/Give serveStats another port, or port: 0/);
  });

  it.each<[ServeStatsOptions, RegExp]>([
    [{ port: 70_000 }, /port must be a whole number from 0 to 65535, but is 70000/],
    [{ port: 0, lanes: -1 }, /lanes must be/],
  ])('refuses %j', async (options, message) => {
    await expect(serveStats(new LLMCallOptimizer(), options)).rejects.toThrow(message);
  });

  it('ends all streams and frees the port on close, and again', async () => {
    const { server } = await serve();
    const { response, next } = await streamOf(server);
    await next();
    response.on('error', () => undefined);
    const ended = once(response, 'close');
    await server.close();
    await ended;
    await server.close();
    const again = await serve({ port: server.port });
    expect(again.server.port).toBe(server.port);
  });

  it('keeps no process alive, while a page listens', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', join(__dirname, 'process.ts')],
      {
        timeout: 20_000,
        encoding: 'utf8',
      },
    );
    expect([status, stdout.trim(), stderr]).toEqual([0, 'served', '']);
  }, 30_000);
});

describe('statsHandler', () => {
  it('may be mounted under any path, shortened or not', async () => {
    const optimizer = new LLMCallOptimizer();
    const handler = statsHandler(optimizer);
    const server = createServer(handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const place = { port: (server.address() as AddressInfo).port };
    closers.push(
      () => server.close(),
      () => optimizer.close(),
    );
    expect((await fetched(place, '/ops/rxllm')).headers['content-type']).toContain('text/html');
    expect((await fetched(place, '/ops/rxllm/')).headers['content-type']).toContain('text/html');
    expect((await fetched(place, '/ops/rxllm/state.json')).headers['content-type']).toContain(
      'application/json',
    );
    expect((await fetched(place, '/metrics?x=1')).status).toBe(200);
    handler.close();
    expect((await fetched(place, '/state.json')).status).toBe(503);
  });

  it('refuses what is no optimizer', () => {
    expect(() => statsHandler({} as never)).toThrow(TypeError);
  });
});
