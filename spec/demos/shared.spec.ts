import { APIConnectionError, APIError } from 'openai';
import { lastValueFrom, NEVER, concat, of, toArray } from 'rxjs';
import { DemoError, reasonOf } from '../../demos/shared/demo-error';
import { describeFailure, fatalReason, likelyReason, reasonInVain } from '../../demos/shared/failures';
import { asksForHelp, UsageError } from '../../demos/shared/flags';
import { connectModel } from '../../demos/shared/model-connection';
import { helpOf } from '../../demos/shared/small-demo';
import { endIfInVain } from '../../demos/shared/vain-run';
import { ClosedError, NoAnswerError, type CallOutcome } from '../../lib/index';

const endpoint = { endpoint: 'http://127.0.0.1:1/v1', model: 'some-model', isEndpointNamed: true };
const answered = (status: number, code?: string): APIError =>
  APIError.generate(status, { error: { message: 'sk-secret', code } }, undefined, new Headers());
const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
const unreachable = new APIConnectionError({ cause: new TypeError('fetch failed', { cause }) });

describe('failures', () => {
  it('are told without what the provider said', () => {
    expect(describeFailure(answered(500))).toEqual({
      name: 'InternalServerError',
      message: 'The endpoint answered 500.',
    });
    expect(describeFailure(new ClosedError('It')).name).toBe('Stopped');
  });

  it('end the run where no call can succeed', () => {
    expect(fatalReason(answered(401), endpoint, true)).toContain('does not accept the key (401)');
    expect(fatalReason(answered(429, 'insufficient_quota'), endpoint, true)).toContain('quota');
    expect(fatalReason(answered(404), endpoint, false)).toContain('knows no model some-model');
    expect(fatalReason(answered(404), endpoint, true)).toBeUndefined();
    expect(fatalReason(answered(429), endpoint, false)).toBeUndefined();
    expect(fatalReason(new Error('other'), endpoint, false)).toBeUndefined();
    expect(fatalReason(unreachable, endpoint, false)).toBe(
      'http://127.0.0.1:1/v1 cannot be reached: the connection was refused; check OPENAI_BASE_URL',
    );
    expect(fatalReason(unreachable, endpoint, true)).toBeUndefined();
  });

  it('may be of one prompt, or of every request of its form', () => {
    expect(fatalReason(answered(400), endpoint, false)).toBeUndefined();
    expect(likelyReason(answered(400), endpoint)).toBe(
      'http://127.0.0.1:1/v1 does not take requests of this form for some-model (400)',
    );
    expect(likelyReason(answered(422), endpoint)).toContain('(422)');
    expect(likelyReason(answered(403), endpoint)).toContain('does not let this key use some-model (403)');
    expect(likelyReason(new NoAnswerError('no choices'), endpoint)).toBe(
      'http://127.0.0.1:1/v1 answers with something else than chat completions',
    );
    for (const code of ['content_filter', 'content_policy_violation', 'context_length_exceeded']) {
      expect(likelyReason(answered(400, code), endpoint)).toBeUndefined();
    }
    const filtered = new NoAnswerError('an error', { error: { code: 'content_filter' } });
    expect(likelyReason(filtered, endpoint)).toBeUndefined();
    const busy = new NoAnswerError('an error', { error: { code: 503 } });
    expect(likelyReason(busy, endpoint)).toBeUndefined();
    expect(likelyReason(answered(500), endpoint)).toBeUndefined();
    expect(likelyReason(unreachable, endpoint)).toBeUndefined();
  });

  it('name the end of the base URL where it has no path', () => {
    const bare = { ...endpoint, endpoint: 'http://127.0.0.1:1/' };
    const hint = '; most base URLs end in /v1: try OPENAI_BASE_URL=http://127.0.0.1:1/v1';
    expect(fatalReason(answered(404), bare, false)).toBe(
      `http://127.0.0.1:1/ is no OpenAI-compatible endpoint (404)${hint}`,
    );
    expect(fatalReason(answered(405), bare, false)).toContain(hint);
    expect(likelyReason(new NoAnswerError('no choices'), bare)).toContain(hint);
    expect(fatalReason(answered(404), { ...bare, isEndpointNamed: false }, false)).not.toContain(hint);
  });

  it('name the network, not a variable that the user never set', () => {
    expect(fatalReason(unreachable, { ...endpoint, isEndpointNamed: false }, false)).toBe(
      'http://127.0.0.1:1/v1 cannot be reached: the connection was refused; check the network',
    );
  });

  it('tell why nothing was answered, first what ends every run', () => {
    const own = new Error('The article is empty.');
    expect(reasonInVain([own, unreachable, answered(500)], endpoint)).toContain('cannot be reached');
    expect(reasonInVain([own, answered(500)], endpoint)).toBe(
      'http://127.0.0.1:1/v1 answered no call; the last failure: The endpoint answered 500',
    );
  });

  it('have reasons that people understand', () => {
    expect(reasonOf(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('there is no such file');
    expect(reasonOf('odd')).toBe('odd');
  });
});

describe('a run', () => {
  const times = { latency: 0, waited: 0, attempts: 1 };
  const failed = (error: unknown): CallOutcome<string, string> => ({
    ok: false,
    request: 'a',
    error,
    ...times,
  });
  const fine: CallOutcome<string, string> = { ok: true, request: 'a', value: 'b', source: 'call', ...times };
  const end = (...outcomes: CallOutcome<string, string>[]): Promise<unknown> =>
    lastValueFrom(of(...outcomes).pipe(endIfInVain(endpoint), toArray()), { defaultValue: [] });

  it('ends at the first failure that shows that the endpoint cannot be reached', async () => {
    const outcomes$ = concat(of(failed(unreachable)), NEVER).pipe(endIfInVain(endpoint));
    await expect(outcomes$.forEach(() => undefined)).rejects.toThrow(
      new DemoError(
        'http://127.0.0.1:1/v1 cannot be reached: the connection was refused; check OPENAI_BASE_URL',
      ),
    );
  });

  it('fails at its end if nothing was answered', async () => {
    await expect(end(failed(answered(500)), failed(answered(502)))).rejects.toThrow(
      'http://127.0.0.1:1/v1 answered no call; the last failure: The endpoint answered 502',
    );
  });

  it('ends at the fifth failure if nothing was answered until then', async () => {
    const failures = Array.from({ length: 5 }, () => failed(answered(500)));
    const oneCall = Array.from({ length: 5 }, () => failures[0]!);
    const endless = (...outcomes: CallOutcome<string, string>[]): Promise<void> =>
      concat(of(...outcomes), NEVER)
        .pipe(endIfInVain(endpoint))
        .forEach(() => undefined);
    await expect(endless(...failures)).rejects.toThrow('answered no call; the last failure');
    await expect(end(fine, ...failures)).resolves.toHaveLength(6);
    await expect(end(...oneCall, fine)).resolves.toHaveLength(6);
  });

  it('goes on with failures of some', async () => {
    await expect(end(failed(answered(500)), fine, failed(unreachable))).resolves.toHaveLength(3);
    await expect(end()).resolves.toEqual([]);
  });
});

describe('flags of a small demo', () => {
  it('are none but the help', () => {
    expect(asksForHelp([])).toBe(false);
    expect(asksForHelp(['--help'])).toBe(true);
    expect(() => asksForHelp(['--bogus'])).toThrow(new UsageError("Unknown option '--bogus'"));
    expect(() => asksForHelp(['file'])).toThrow(new UsageError("Unexpected argument 'file'"));
  });

  it('are told by the help, with the command', () => {
    const help = helpOf({ name: 'tuning', about: 'Gives advice.' });
    expect(help).toMatch(/^Gives advice\.\n\nUsage: npm run demo:tuning\n/);
    expect(help).toContain('OPENAI_BASE_URL');
  });
});

describe('a connection', () => {
  it('leads to OpenAI with a key alone, also if the variable of the endpoint is empty', async () => {
    const connection = await connectModel({ OPENAI_BASE_URL: '', OPENAI_API_KEY: 'sk-x' }, undefined, {});
    expect(connection).toMatchObject({
      endpoint: 'https://api.openai.com/v1',
      model: 'gpt-4o-mini',
      isOwn: false,
      isEndpointNamed: false,
    });
  });

  it('leads to the endpoint that is named', async () => {
    const environment = { OPENAI_BASE_URL: ' http://me:pass@127.0.0.1:1/v1 ' };
    expect(await connectModel(environment, 'some-model', {})).toMatchObject({
      endpoint: 'http://127.0.0.1:1/v1',
      model: 'some-model',
      isOwn: false,
      isEndpointNamed: true,
    });
    await expect(connectModel({ OPENAI_BASE_URL: 'nowhere' }, undefined, {})).rejects.toThrow(
      'OPENAI_BASE_URL is not an http or https URL',
    );
  });

  it('leads to a server of its own if nothing is named', async () => {
    const connection = await connectModel({ OPENAI_BASE_URL: '', OPENAI_API_KEY: ' ' }, undefined, {});
    await connection.close();
    expect(connection).toMatchObject({ isOwn: true, isEndpointNamed: false, model: 'sentiment-demo' });
  });
});
