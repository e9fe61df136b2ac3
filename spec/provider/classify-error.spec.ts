import {
  CallTimeoutError,
  ClosedError,
  DeadlineExceededError,
  MissingOutcomeError,
  QuotaSpentError,
} from '../../lib/core/errors';
import { classifyError, type ErrorClassifier } from '../../lib/provider/classify-error';

const minute = 60_000;
const day = 86_400_000;

const failed = (fields: object, message = 'failed') => Object.assign(new Error(message), fields);

class APIConnectionError extends Error {}
class APIUserAbortError extends Error {}

const openAIMessage = (subject: string, figures: string, hint: string) =>
  `Rate limit reached for gpt-4o in organization org-x on ${subject}: ${figures}. Please try again in ${hint}. Visit https://platform.openai.com/account/rate-limits to learn more.`;

const perMinute = openAIMessage('tokens per min (TPM)', 'Limit 200000, Used 199821, Requested 2295', '634ms');
const perDay = openAIMessage('requests per day (RPD)', 'Limit 1000, Used 1000, Requested 1', '1m26.4s');

/** The body of Gemini's refusals. */
const geminiBody = (quotaId: string, quotaValue?: string, retryDelay = '45.837906927s') => ({
  error: {
    code: 429,
    message:
      'You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.',
    status: 'RESOURCE_EXHAUSTED',
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
        violations: [
          {
            quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
            quotaId,
            quotaValue,
          },
        ],
      },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
    ],
  },
});
const perDayQuota = geminiBody('GenerateRequestsPerDayPerProjectPerModel-FreeTier', '20', '34.4s');
const perDayClassification = {
  kind: 'wait',
  retryAfter: 34_400,
  period: 'day',
  limits: [
    { name: 'requests-day', dimension: 'requests', limit: 20, remaining: 0, reset: undefined, window: day },
  ],
};

const tokens = (limit: number, remaining: number | undefined) => ({
  name: 'tokens',
  dimension: 'tokens',
  limit,
  remaining,
  reset: undefined,
  window: minute,
});

describe('classifyError', () => {
  it.each<[string, unknown, object]>([
    ['429', { status: 429 }, { kind: 'wait' }],
    ['429 as text', { status: '429' }, { kind: 'wait' }],
    ['429 as the code of a body', { error: { code: '429', message: 'no' } }, { kind: 'wait' }],
    [
      '429 of the AI SDK',
      { statusCode: 429, responseHeaders: { 'retry-after': '2' } },
      { kind: 'wait', retryAfter: 2000 },
    ],
    [
      '429 with Headers',
      { status: 429, headers: new Headers({ 'retry-after-ms': '250' }) },
      { kind: 'wait', retryAfter: 250 },
    ],
    [
      '429 in a response',
      { response: { status: 429, headers: { 'retry-after': '3' } } },
      { kind: 'wait', retryAfter: 3000 },
    ],
    ['503', { status: 503, headers: { 'retry-after': '1' } }, { kind: 'overloaded', retryAfter: 1000 }],
    ['529', { status: 529 }, { kind: 'overloaded' }],
    ['Groq’s 498', { status: 498 }, { kind: 'overloaded' }],
    ['500', { status: 500 }, { kind: 'transient' }],
    [
      '502 with a hint',
      { status: 502, headers: { 'retry-after': '1' } },
      { kind: 'transient', retryAfter: 1000 },
    ],
    ['408', { status: 408 }, { kind: 'transient' }],
    ['409', { status: 409 }, { kind: 'transient' }],
    ['400', { status: 400 }, { kind: 'stop' }],
    ['401', { status: 401 }, { kind: 'stop' }],
    ['402', { status: 402 }, { kind: 'stop' }],
    ['404', { status: 404 }, { kind: 'stop' }],
    ['413 that calls itself a rate limit', { status: 413, code: 'rate_limit_exceeded' }, { kind: 'stop' }],
    ['a spent quota', { status: 429, code: 'insufficient_quota' }, { kind: 'stop' }],
    ['a spent quota in the body', { status: 429, error: { type: 'insufficient_quota' } }, { kind: 'stop' }],
    [
      'a spent quota in a body that is text',
      { statusCode: 429, responseBody: '{"error":{"code":"insufficient_quota"}}' },
      { kind: 'stop' },
    ],
    [
      'spent credits',
      { status: 429, error: { message: 'Your prepayment credits are depleted.' } },
      { kind: 'stop' },
    ],
    ['OpenAI’s slow_down with 429', { status: 429, code: 'slow_down' }, { kind: 'wait' }],
    ['OpenAI’s slow_down with 503', { status: 503, code: 'slow_down' }, { kind: 'overloaded' }],
    [
      'an engine that is overloaded',
      { status: 429, type: 'engine_overloaded_error' },
      { kind: 'overloaded' },
    ],
    ['an overload with 500', { status: 500, error: { type: 'overloaded_error' } }, { kind: 'overloaded' }],
    [
      'Bedrock’s throttling',
      { name: 'ThrottlingException', $metadata: { httpStatusCode: 429 } },
      { kind: 'wait' },
    ],
    [
      'Amazon’s throttling with 400',
      { name: 'ThrottlingException', $metadata: { httpStatusCode: 400 } },
      { kind: 'wait' },
    ],
    [
      'Bedrock’s model that is not ready',
      { name: 'ModelNotReadyException', $metadata: { httpStatusCode: 429 } },
      { kind: 'overloaded' },
    ],
    [
      'Bedrock’s bad requests',
      { name: 'ValidationException', $metadata: { httpStatusCode: 400 } },
      { kind: 'stop' },
    ],
    ['Google’s refusal without a status', { status: 'RESOURCE_EXHAUSTED' }, { kind: 'wait' }],
    ['Google’s overload without a status', { status: 'UNAVAILABLE' }, { kind: 'overloaded' }],
    ['a lost connection', { code: 'ECONNRESET' }, { kind: 'transient' }],
    ['a lost connection as cause', { cause: { code: 'UND_ERR_SOCKET' } }, { kind: 'transient' }],
    ['a name that does not resolve for now', { code: 'EAI_AGAIN' }, { kind: 'transient' }],
    ['an error by its name', { name: 'APIConnectionTimeoutError' }, { kind: 'transient' }],
    ['a refusal as cause', { cause: failed({ status: 429 }) }, { kind: 'wait' }],
    ['the AI SDK’s spent retries', { lastError: failed({ statusCode: 529 }) }, { kind: 'overloaded' }],
    ['a caller who gave up', { name: 'AbortError', cause: { code: 'ECONNRESET' } }, { kind: 'unknown' }],
    ['undici’s word for it', { code: 'UND_ERR_ABORTED' }, { kind: 'unknown' }],
    ['another error', {}, { kind: 'unknown' }],
  ])('knows %s', (_name, fields, classification) => {
    expect(classifyError(failed(fields as object))).toEqual(classification);
  });

  it.each<[string, string]>([
    ['overloaded_error', 'overloaded'],
    ['rate_limit_error', 'wait'],
    ['api_error', 'transient'],
    ['server_error', 'transient'],
    ['timeout_error', 'transient'],
    ['invalid_request_error', 'stop'],
    ['authentication_error', 'stop'],
    ['billing_error', 'stop'],
  ])('knows %s inside a stream, which has no status', (type, kind) => {
    expect(classifyError({ type, message: 'no' })).toEqual({ kind });
    expect(classifyError(failed({ error: { type: 'error', error: { type } } }))).toEqual({ kind });
    const text = JSON.stringify({ type: 'error', error: { type, message: 'no' } });
    expect(classifyError(new Error(text))).toEqual({ kind });
    expect(classifyError(new Error(`529 ${text}`))).toEqual({ kind });
  });

  it.each<[string, Record<string, string>, number | undefined, string]>([
    ['stop, though it could be retried', { 'x-should-retry': 'false' }, 429, 'stop'],
    ['stop, though it failed', { 'x-should-retry': 'false' }, 500, 'stop'],
    ['go on, though it could not', { 'x-should-retry': 'true' }, 400, 'transient'],
    ['go on waiting', { 'x-should-retry': 'true' }, 429, 'wait'],
    ['nothing that is known', { 'x-should-retry': 'maybe' }, 429, 'wait'],
  ])('heeds a provider that says: %s', (_name, headers, status, kind) => {
    expect(classifyError(failed({ status, headers })).kind).toBe(kind);
  });

  it('does not retry a spent quota, whatever the provider says', () => {
    const headers = { 'x-should-retry': 'true' };
    expect(classifyError(failed({ status: 429, headers, code: 'insufficient_quota' }))).toEqual({
      kind: 'stop',
    });
  });

  describe('a budget or a quota by the month that is spent', () => {
    const liteLLM = 'Budget has been exceeded! Current cost: 12.5, Max budget: 10.0';

    it.each<[string, object]>([
      [
        'LiteLLM’s budget of a key',
        { status: 429, error: { type: 'budget_exceeded', code: '429', message: liteLLM } },
      ],
      [
        'the same with 400',
        { status: 400, error: { type: 'budget_exceeded', code: '400', message: liteLLM } },
      ],
      ['the same by its message alone (BerriAI/litellm#14144)', { status: 429, error: { message: liteLLM } }],
      [
        'LiteLLM’s budget of an end user',
        { status: 429, message: 'ExceededBudget: End User=a over budget. Spend=0.0008, Budget=0.0001' },
      ],
      [
        'LiteLLM’s budget of a deployment (BerriAI/litellm#14144)',
        {
          status: 429,
          message: 'No deployments available - crossed budget: Exceeded budget for deployment x',
        },
      ],
      ['a hard cap behind LiteLLM', { status: 429, code: 'terminal_quota_exhausted' }],
      [
        'Anthropic’s extra usage',
        {
          status: 429,
          error: { type: 'rate_limit_error', message: 'You’re out of extra usage · resets 2am' },
        },
      ],
      [
        'Anthropic’s extra usage that is not bought (anthropics/claude-code#53607)',
        {
          status: 429,
          error: { type: 'rate_limit_error', message: 'Extra usage is required for long context requests.' },
        },
      ],
      [
        'Cohere’s trial key (diegosouzapw/OmniRoute#12252)',
        {
          statusCode: 429,
          body: { message: 'You are using a Trial key, which is limited to 1000 API calls / month.' },
        },
      ],
      [
        'Google’s spending cap (openclaw/openclaw#74120)',
        {
          error: {
            code: 429,
            status: 'RESOURCE_EXHAUSTED',
            message: 'Your billing account has exceeded its monthly spending cap',
          },
        },
      ],
      [
        'a plan by the month (anomalyco/opencode#44099)',
        { status: 429, message: 'You have exceeded the monthly usage quota. It will reset at 2026-08-29.' },
      ],
      ['a quota by the month', { status: 429, message: 'Monthly quota exceeded. Upgrade your plan.' }],
      ['Z.ai’s balance', { status: 429, code: '1113', message: 'Insufficient balance. Please recharge.' }],
    ])('knows %s', (_name, error) => {
      expect(classifyError(error)).toEqual({ kind: 'stop' });
    });

    it('is waited for where the refusal says when it comes back', () => {
      const error = { status: 429, error: { type: 'budget_exceeded' }, headers: { 'retry-after': '7200' } };
      expect(classifyError(error)).toEqual({ kind: 'wait', retryAfter: 7_200_000, period: 'day' });
    });

    it('is not waited for because of the short hint that a gateway puts on every refusal', () => {
      const error = { status: 429, error: { type: 'budget_exceeded' }, headers: { 'retry-after': '1' } };
      expect(classifyError(error)).toEqual({ kind: 'stop' });
    });

    it.each([
      'You are using a Trial key, which is limited to 10 API calls / minute.',
      'Rate limit reached. Raise your monthly limit to be served faster.',
    ])('is told from a refusal for a moment: %s', (message) => {
      expect(classifyError({ status: 429, message }).kind).toBe('wait');
    });
  });

  it.each<[string, unknown, object]>([
    [
      'OpenAI’s minute (vercel/ai#2637)',
      failed({ status: 429, code: 'rate_limit_exceeded', type: 'tokens' }, `429 ${perMinute}`),
      { kind: 'wait', retryAfter: 634, period: 'minute', limits: [tokens(200_000, 179)] },
    ],
    [
      'OpenAI’s day (openai-agents-js#1022)',
      failed({ status: 429, code: 'rate_limit_exceeded', type: 'requests' }, perDay),
      {
        kind: 'wait',
        retryAfter: 86_400,
        period: 'day',
        limits: [
          {
            name: 'requests-day',
            dimension: 'requests',
            limit: 1000,
            remaining: 0,
            reset: undefined,
            window: day,
          },
        ],
      },
    ],
    [
      'figures whose window only the arithmetic tells',
      failed(
        { status: 429, type: 'tokens' },
        'Limit 200000, Used 199821, Requested 2295. Please try again in 634ms.',
      ),
      { kind: 'wait', retryAfter: 634, period: 'minute', limits: [tokens(200_000, 179)] },
    ],
    [
      'more used than the limit',
      failed(
        { status: 429 },
        openAIMessage('tokens per min (TPM)', 'Limit 200000, Used 200500, Requested 10', '153ms'),
      ),
      { kind: 'wait', retryAfter: 153, period: 'minute', limits: [tokens(200_000, 0)] },
    ],
    [
      'figures that fit no window',
      failed(
        { status: 429, type: 'tokens' },
        'Limit 200000, Used 199821, Requested 2295. Please try again in 20s.',
      ),
      { kind: 'wait', retryAfter: 20_000 },
    ],
    [
      'Groq’s tokens a day',
      failed({
        status: 429,
        headers: { 'retry-after': '6837' },
        error: {
          error: {
            message:
              'Rate limit reached for model `llama` in organization `org` service tier `on_demand` on tokens per day (TPD): Limit 100000, Used 97843, Requested 9191. Please try again in 1h53m56.832s. Need more tokens? Upgrade at https://console.groq.com/settings/billing',
            type: 'tokens',
            code: 'rate_limit_exceeded',
          },
        },
      }),
      {
        kind: 'wait',
        retryAfter: 6_837_000,
        period: 'day',
        limits: [{ ...tokens(100_000, 2157), name: 'tokens-day', window: day }],
      },
    ],
    [
      'Anthropic’s message',
      failed({
        status: 429,
        error: {
          type: 'error',
          error: {
            type: 'rate_limit_error',
            message:
              'This request would exceed your organization’s rate limit of 40,000 input tokens per minute.',
          },
        },
      }),
      {
        kind: 'wait',
        period: 'minute',
        limits: [{ ...tokens(40_000, undefined), name: 'input-tokens', dimension: 'input-tokens' }],
      },
    ],
    [
      'Azure’s message',
      failed(
        { status: 429 },
        'Requests have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds.',
      ),
      { kind: 'wait', retryAfter: day, period: 'day' },
    ],
    [
      'Azure’s captured headers',
      failed({
        status: 429,
        headers: {
          'retry-after': '1',
          'retry-after-ms': '0',
          'x-ratelimit-limit-tokens': '5000',
          'x-ratelimit-remaining-tokens': '0',
          'x-ratelimit-reset-tokens': '0',
        },
      }),
      { kind: 'wait', retryAfter: 1000, period: 'minute', limits: [tokens(5000, 0)] },
    ],
    [
      'Gemini by its new SDK, whose message is the body',
      failed({ name: 'ApiError', status: 429 }, JSON.stringify(perDayQuota)),
      perDayClassification,
    ],
    ['Gemini by fetch', perDayQuota, perDayClassification],
    ['Gemini in a list', { status: 429, error: [perDayQuota] }, perDayClassification],
    [
      'Gemini by its old SDK',
      failed({ status: 429, errorDetails: perDayQuota.error.details }),
      perDayClassification,
    ],
    [
      'Gemini by the AI SDK',
      failed({ statusCode: 429, responseHeaders: {}, responseBody: JSON.stringify(perDayQuota) }),
      perDayClassification,
    ],
    [
      'Gemini’s minute of tokens',
      failed({
        status: 429,
        ...geminiBody('GenerateContentPaidTierInputTokensPerModelPerMinute', '1000000'),
      }),
      {
        kind: 'wait',
        retryAfter: 45_837.906927,
        period: 'minute',
        limits: [{ ...tokens(1_000_000, undefined), name: 'input-tokens', dimension: 'input-tokens' }],
      },
    ],
    [
      'Gemini’s hint that stands only in the message',
      failed({ status: 429 }, 'Quota exceeded, limit: 20, model: gemini\nPlease retry in 26.211922938s.'),
      { kind: 'wait', retryAfter: 26_211.922938 },
    ],
    [
      'Bedrock’s day',
      failed(
        { name: 'ThrottlingException', $metadata: { httpStatusCode: 429 } },
        'Too many tokens per day, please wait before trying again.',
      ),
      { kind: 'wait', period: 'day' },
    ],
    [
      'OpenRouter’s end of a spent window',
      failed({
        status: 429,
        error: {
          message: 'Rate limit exceeded: free-models-per-day',
          metadata: {
            headers: {
              'X-RateLimit-Limit': '50',
              'X-RateLimit-Remaining': '0',
              'X-RateLimit-Reset': '1741305600000',
            },
          },
        },
      }),
      { kind: 'wait', retryAfter: 7_200_000, period: 'day' },
    ],
    [
      'gRPC',
      failed({ code: 8, details: 'no' }, '8 RESOURCE_EXHAUSTED: Quota exceeded. Please retry in 5s.'),
      { kind: 'wait', retryAfter: 5000 },
    ],
    [
      'a request larger than the limit',
      failed({ status: 429 }, 'Limit 8000, Used 0, Requested 10092. Please try again in 1s.'),
      { kind: 'stop' },
    ],
    [
      'a request that is too large',
      failed({ status: 429 }, 'Request too large for gpt-4o: Limit 8000, Requested 10092.'),
      { kind: 'stop' },
    ],
    [
      'a quota of nothing',
      failed({ status: 429, ...geminiBody('GenerateRequestsPerMinutePerProjectPerModel-FreeTier', '0') }),
      { kind: 'stop' },
    ],
  ])('reads %s', (_name, error, classification) => {
    const { retryAfter, ...others } = classification as { retryAfter?: number };
    const found = classifyError(error, 1_741_298_400_000);
    expect(found).toMatchObject(others);
    expect(Object.keys(found).sort()).toEqual(Object.keys(classification).sort());
    if (retryAfter !== undefined) {
      expect(found.retryAfter).toBeCloseTo(retryAfter, 6);
    }
  });

  it.each<[string, number | undefined]>([
    ['Please try again in 6m0s.', 360_000],
    ['Please try again in 7m12s. Visit', 432_000],
    ['Try again in 17 seconds.', 17_000],
    ['Please retry after 1 second.', 1000],
    ['try again in 1.5 minutes', 90_000],
    ['try again in 20ms', 20],
    ['try again in 0s', undefined],
    ['try again in 1.2.3s', undefined],
    ['try again in 5 fortnights', undefined],
    ['try again in 99999999s', undefined],
    ['try again in 6m90s', undefined],
    ['try again in a while', undefined],
    ['try again in 99 days', undefined],
  ])('reads the wait in %p as %p ms', (message, retryAfter) => {
    expect(classifyError(failed({ status: 429 }, message)).retryAfter).toBe(retryAfter);
  });

  it('knows our own errors and connection errors by their class', () => {
    expect(classifyError(new CallTimeoutError(5))).toEqual({ kind: 'transient' });
    expect(classifyError(new APIConnectionError())).toEqual({ kind: 'transient' });
    expect(classifyError(new APIUserAbortError())).toEqual({ kind: 'unknown' });
    expect(classifyError(new DOMException('late', 'TimeoutError'))).toEqual({ kind: 'transient' });
    expect(classifyError(new DOMException('left', 'AbortError'))).toEqual({ kind: 'unknown' });
    for (const message of ['fetch failed', 'Failed to fetch', 'network error', 'Load failed']) {
      expect(classifyError(new TypeError(message))).toEqual({ kind: 'transient' });
    }
    expect(classifyError(new TypeError('x is not a function'))).toEqual({ kind: 'unknown' });
  });

  it('does not take our final errors for what an earlier attempt had failed with', () => {
    const refused = failed({ status: 429 });
    for (const error of [
      new DeadlineExceededError(5, refused),
      new MissingOutcomeError(refused),
      new ClosedError('x'),
      new QuotaSpentError(7_200_000, 0, refused),
    ]) {
      expect(classifyError(error)).toEqual({ kind: 'unknown' });
    }
  });

  it('is a classifier', () => {
    const classify: ErrorClassifier = classifyError;
    expect(classify(undefined, 0)).toEqual({ kind: 'unknown' });
  });

  it.each([undefined, null, 'failed', 5, Symbol('failed'), Object.create(null), () => undefined, [], [[]]])(
    'takes %p, which is no error it knows, for unknown without throwing',
    (error) => {
      expect(classifyError(error)).toEqual({ kind: 'unknown' });
    },
  );

  it('survives what is hostile', () => {
    const throws = () => {
      throw new Error('thrown');
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const cyclic: Record<string, unknown> = {};
    Object.assign(cyclic, {
      cause: cyclic,
      error: cyclic,
      response: cyclic,
      data: [cyclic],
      details: [cyclic],
    });
    const everything = new Proxy({}, { get: throws, has: throws, getPrototypeOf: throws, ownKeys: throws });
    for (const error of [
      proxy,
      cyclic,
      everything,
      { cause: everything, headers: everything },
      { error: proxy },
    ]) {
      expect(classifyError(error)).toEqual({ kind: 'unknown' });
    }
    const half = Object.defineProperty(failed({ status: 429 }), 'headers', { get: throws });
    expect(classifyError(half)).toEqual({ kind: 'wait' });
    expect(classifyError({ status: 429, headers: everything, error: everything })).toEqual({ kind: 'wait' });
  });

  it('leaves a body unread that is longer than any refusal', () => {
    const bodyOf = (padding: number) =>
      JSON.stringify({ details: [{ retryDelay: '5s' }], padding: 'x'.repeat(padding) });
    expect(classifyError({ status: 429, responseBody: bodyOf(1000) })).toEqual({
      kind: 'wait',
      retryAfter: 5000,
    });
    expect(classifyError({ status: 429, responseBody: bodyOf(100_000) })).toEqual({ kind: 'wait' });
  });

  it('is not slowed down by what is endless', () => {
    const start = process.hrtime.bigint();
    for (const piece of [
      'try again in 1',
      'rate limit of 1,000',
      'Limit 1, Used 1, ',
      '{"a":[',
      '1m',
      'quota exceeded ',
    ]) {
      expect(classifyError(failed({ status: 429 }, piece.repeat(200_000))).kind).toBe('wait');
      expect(classifyError({ status: 429, responseBody: piece.repeat(200_000) }).kind).toBe('wait');
    }
    let deep: unknown = { status: 429 };
    for (let depth = 0; depth < 100_000; depth++) {
      deep = { cause: deep, error: deep };
    }
    expect(classifyError(deep).kind).toBe('unknown');
    expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(1000);
  });
});
