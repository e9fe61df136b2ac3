import { classifyError } from '../../lib/provider/classify-error';
import { meaningOfFailure } from '../../lib/provider/meaning-of-failure';

const failed = (message: string, fields: object = {}) => Object.assign(new Error(message), fields);
const kindOf = (error: unknown) => classifyError(error).kind;
const refused = { kind: 'wait', retryAfter: 7000 };
const retryAfter = { 'retry-after': '7' };

/** What the browser's XMLHttpRequest tells of its answer. */
const request = (status: number, headers: Record<string, string> = {}) => ({
  status,
  getResponseHeader: (name: string) => headers[name.toLowerCase()] ?? null,
});

/** An error of which a client's class alone is known. */
function thrownBy(className: string, message = 'failed', fields: object = {}): Error {
  const made = { [className]: class extends Error {} }[className]!;
  return Object.assign(new made(message), fields);
}

describe('statuses and headers, wherever clients keep them', () => {
  it.each<[string, unknown, object]>([
    ['ollama', failed('server busy', { name: 'ResponseError', status_code: 503 }), { kind: 'overloaded' }],
    [
      'RxJS’s ajax',
      failed('ajax error 429', { name: 'AjaxError', status: 429, xhr: request(429, retryAfter) }),
      refused,
    ],
    [
      'Angular’s HttpClient',
      {
        name: 'HttpErrorResponse',
        message: 'Http failure response for https://x: 429 Too Many Requests',
        status: 429,
        headers: new Headers(retryAfter),
        error: { error: { message: 'slow down' } },
      },
      refused,
    ],
    ['undici’s request', failed('no', { statusCode: 429, headers: { 'Retry-After': ['7'] } }), refused],
    ['got', failed('no', { response: { statusCode: 429, headers: retryAfter } }), refused],
    ['ky', failed('no', { response: new Response('', { status: 429, headers: retryAfter }) }), refused],
    ['superagent', failed('no', { response: { status: 429, header: retryAfter } }), refused],
    [
      'cohere-ai',
      failed('no', { statusCode: 429, rawResponse: { headers: new Headers(retryAfter), status: 429 } }),
      refused,
    ],
    [
      'Hugging Face’s inference',
      failed('no', { httpResponse: { status: 429, headers: retryAfter } }),
      refused,
    ],
    [
      'Amazon’s SDK',
      failed('no', {
        $metadata: { httpStatusCode: 429 },
        $response: { statusCode: 429, headers: retryAfter },
      }),
      refused,
    ],
    ['a Response that is thrown', new Response('', { status: 429, headers: retryAfter }), refused],
    [
      'a wrapper with names as in JSON',
      failed('no', { http_status: 429, response_headers: retryAfter }),
      refused,
    ],
    [
      'a wrapper with a name of its own',
      failed('no', { responseStatusCode: 429, header: retryAfter }),
      refused,
    ],
    [
      'a proxy that wraps the provider’s body',
      {
        status: 429,
        data: { error: { metadata: { raw: '{"error":{"message":"Please retry in 7s."}}' } } },
      },
      refused,
    ],
    [
      'Vertex, whose message has a bracket before the body',
      failed(
        '[VertexAI.ClientError]: got status: 429 Too Many Requests. {"error":{"code":429,"retry_after":7}}',
      ),
      refused,
    ],
  ])('are read from %s', (_name, error, classification) => {
    expect(classifyError(error)).toEqual(classification);
  });

  it('prefer the status of the answer to the code of its body', () => {
    expect(kindOf({ response: { status: 429, data: { code: 400 } } })).toBe('wait');
    expect(kindOf({ code: 400, response: { status: 503 } })).toBe('overloaded');
  });

  it.each<[string, string]>([
    ['RateLimitError', 'wait'],
    ['GatewayRateLimitError', 'wait'],
    ['MODEL_RATE_LIMIT', 'wait'],
    ['Throttling.RateQuota', 'wait'],
    ['EC2ThrottledException', 'wait'],
    ['TooManyRequestsException', 'wait'],
    ['service_unavailable', 'overloaded'],
    ['model_overloaded', 'overloaded'],
    ['service_tier_capacity_exceeded', 'overloaded'],
    ['InternalServerError', 'transient'],
    ['GATEWAY_TIMEOUT', 'transient'],
    ['CERT_HAS_EXPIRED', 'stop'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'stop'],
    ['AI_LoadAPIKeyError', 'stop'],
    ['rate_limit_policy_created', 'unknown'],
    ['unavailable_for_legal_reasons', 'unknown'],
    ['timeout_seconds', 'unknown'],
  ])('and the code %s, in whatever field, means %s', (code, kind) => {
    expect(kindOf(failed('no', { code }))).toBe(kind);
    expect(kindOf({ error: { type: code } })).toBe(kind);
    expect(kindOf({ lc_error_code: code })).toBe(kind);
    expect(kindOf({ error: { error_code: code } })).toBe(kind);
  });
});

describe('an answer that was lost', () => {
  it.each<[string, unknown]>([
    ['by status 0 of RxJS’s ajax', failed('ajax error', { name: 'AjaxError', status: 0 })],
    ['by its timeout', failed('ajax timeout', { name: 'AjaxTimeoutError', status: 0 })],
    ['by status 0 of Angular', { name: 'HttpErrorResponse', status: 0, error: { type: 'error' } }],
    [
      'by a body that Angular cannot parse',
      { name: 'HttpErrorResponse', status: 200, error: { error: new SyntaxError('x'), text: '{"choi' } },
    ],
    ['by a name that does not resolve', failed('getaddrinfo ENOTFOUND x', { code: 'ENOTFOUND' })],
    ['by an EAI code', failed('no', { code: 'EAI_FAIL' })],
    ['by a body that ended early', new SyntaxError('Unexpected end of JSON input')],
    ['by a page', new SyntaxError(`Unexpected token '<', "<!doctype "... is not valid JSON`)],
    ['by Firefox’s word for it', new SyntaxError('JSON.parse: unexpected end of data at line 1 column 9')],
    ['by Safari’s word for it', new SyntaxError('JSON Parse error: Unexpected EOF')],
    ['by the AI SDK’s name for it', failed('JSON parsing failed', { name: 'AI_JSONParseError' })],
    ['by node-fetch’s type', failed('invalid json response body', { type: 'invalid-json' })],
    ['by node-fetch’s timeout', failed('no', { type: 'request-timeout' })],
    [
      'to the old Google SDK',
      failed('[GoogleGenerativeAI Error]: Error fetching from https://x: fetch failed'),
    ],
    ['to its timer', failed('Request aborted when fetching https://x: This operation was aborted')],
    ['to Cohere’s timer', failed('"timeout"', { rawResponse: { status: 0, statusText: 'Unknown Error' } })],
    ['to axios', failed('stream has been aborted', { code: 'ERR_BAD_RESPONSE', status: 200 })],
    ['to axios in a browser', failed('Network Error', { code: 'ERR_NETWORK' })],
    ['to Anthropic’s stream', failed('stream ended without producing a Message with role=assistant')],
    ['to OpenAI’s stream', thrownBy('OpenAIError', 'missing finish_reason for choice 0')],
    ['to Google’s stream', failed('Incomplete JSON segment at the end')],
    ['to Ollama’s stream', failed('Did not receive done or success response in stream.')],
    ['to Ollama’s model', failed('an error was encountered while running the model: unexpected EOF')],
    ['to Mistral’s client', thrownBy('ConnectionError')],
    ['to Mistral’s timer', thrownBy('RequestTimeoutError')],
    ['to Mistral, as a page', failed('Unexpected Status', { statusCode: 200, body: '<html></html>' })],
    ['to Safari', new TypeError('The network connection was lost.')],
    ['to React Native', new TypeError('Network request failed')],
    ['to Deno', new TypeError('error sending request for url (http://x/)')],
    ['to Bun', failed('Unable to connect.', { code: 'ConnectionRefused' })],
    ['to Node’s parser', failed('Parse Error: Expected HTTP/', { code: 'HPE_INVALID_CONSTANT' })],
    ['by an end within compressed data', failed('unexpected end of file', { code: 'Z_BUF_ERROR' })],
    ['by Node’s message', failed('socket hang up')],
    [
      'by a code in a message',
      failed('request to http://x failed, reason: connect ECONNREFUSED 127.0.0.1:9'),
    ],
    ['by words', failed('Connection error.')],
    ['by more words', failed('The connection was unexpectedly closed')],
    ['by an axios timeout without a code', failed('timeout of 300ms exceeded')],
    ['as a text', 'fetch failed'],
    ['as the last of spent retries', { lastError: failed('no', { code: 'ECONNRESET' }) }],
  ])('is tried again: known %s', (_name, error) => {
    expect(classifyError(error)).toEqual({ kind: 'transient' });
  });

  it('is no certificate that is not trusted, though fetch has the same words for it', () => {
    const cause = failed('certificate has expired', { code: 'CERT_HAS_EXPIRED' });
    expect(kindOf(new TypeError('fetch failed', { cause }))).toBe('stop');
  });

  it.each<[string, unknown]>([
    [
      'a program that is wrong',
      new TypeError("Cannot read properties of undefined (reading 'rate_limit_error')"),
    ],
    ['the same with a status', new TypeError('HTTP 503 is not a function')],
    ['a script that cannot be parsed', new SyntaxError('Unexpected token )')],
    ['a setting that is wrong', new RangeError('Invalid timeout of 500 s')],
    ['a setting that is wrong, said in words', failed('timeout must be a number')],
    ['a request that the model refused', failed('The request was refused by the policy')],
  ])('is not %s', (_name, error) => {
    expect(classifyError(error)).toEqual({ kind: 'unknown' });
  });
});

describe('an abort', () => {
  const aborts: [string, unknown][] = [
    ['fetch', new DOMException('This operation was aborted', 'AbortError')],
    ['openai', thrownBy('APIUserAbortError')],
    ['axios', failed('canceled', { name: 'CanceledError', code: 'ERR_CANCELED' })],
    ['the old Google SDK', thrownBy('GoogleGenerativeAIAbortError')],
    ['Mistral', thrownBy('RequestAbortedError')],
    ['a wrapper', failed('failed', { cause: new DOMException('This operation was aborted', 'AbortError') })],
  ];

  it.each(aborts)('of %s is unknown to who does not know who aborted', (_name, error) => {
    expect(classifyError(error)).toEqual({ kind: 'unknown' });
  });

  it.each(aborts)('of %s is the client’s own if rxllm did not abort', (_name, error) => {
    expect(meaningOfFailure(error, classifyError, 0)).toEqual({ kind: 'transient' });
  });

  it('is what a classifier of the user’s says it is', () => {
    const [[, error]] = aborts as [[string, unknown]];
    expect(meaningOfFailure(error, () => ({ kind: 'stop' }), 0)).toEqual({ kind: 'stop' });
    expect(meaningOfFailure(new Error('no'), () => ({ kind: 'unknown' }), 0)).toEqual({ kind: 'unknown' });
  });

  it('and a classifier that throws leave an error unknown', () => {
    const throws = () => {
      throw new Error('thrown');
    };
    expect(meaningOfFailure(new Error('no'), throws, 0)).toEqual({ kind: 'unknown' });
    expect(meaningOfFailure(new Error('no'), () => undefined as never, 0)).toEqual({ kind: 'unknown' });
  });
});

describe('a status in a message', () => {
  it.each<[string, string]>([
    ['HTTP 503', 'overloaded'],
    ['HTTP 429', 'wait'],
    ['HTTP error 500', 'transient'],
    ['HTTP error! status: 429', 'wait'],
    ['HTTP error! Status: 502', 'transient'],
    ['HTTP/1.1 503', 'overloaded'],
    ['HTTPError: 503', 'overloaded'],
    ['Request failed with status 429', 'wait'],
    ['Request failed with status code 500', 'transient'],
    ['Request failed with status code 400', 'stop'],
    ['API error occurred: Status 429\nBody: {"message":"no"', 'wait'],
    ['Error code: 429 - {"error": "no"', 'wait'],
    ['Server responded with a status of 503 (no)', 'overloaded'],
    ['Unexpected status code: 401', 'stop'],
    ['httpStatus=500', 'transient'],
    ['429 Too Many Requests', 'wait'],
    ['429: Too Many Requests', 'wait'],
    ['Too Many Requests', 'wait'],
    ['Request failed: Service Unavailable', 'overloaded'],
    ['<html><head><title>502 Bad Gateway</title></head>', 'transient'],
    ['[GoogleGenerativeAI Error]: Error fetching from https://x/v1: [429 Too Many Requests] no', 'wait'],
    ['503', 'overloaded'],
    ['Error 503', 'overloaded'],
    ['Error: 429', 'wait'],
    ['500 {"detail":', 'transient'],
    ['Ollama API error: 500', 'transient'],
    ['OpenAI API error (429): slow down', 'wait'],
    ['POST failed with: 429', 'wait'],
    ['Server returned 503, trying later', 'overloaded'],
    ['fetch failed: 503', 'overloaded'],
    ['Rate limit exceeded', 'wait'],
    ['Requests rate limit exceeded', 'wait'],
    ['You are being rate limited.', 'wait'],
    ['Overloaded', 'overloaded'],
    ['The model is currently overloaded. Please try again later.', 'overloaded'],
    ['ThrottlingException: Rate exceeded', 'wait'],
    ['got RESOURCE_EXHAUSTED from upstream', 'wait'],
    ['insufficient_quota: add money', 'stop'],
    ['Error 429: insufficient_quota', 'stop'],
  ])('is read: %s', (message, kind) => {
    expect(kindOf(new Error(message))).toBe(kind);
    expect(kindOf(message)).toBe(kind);
    expect(kindOf({ error: message })).toBe(kind);
    expect(kindOf(new Error('failed', { cause: new Error(message) }))).toBe(kind);
  });

  it.each([
    'line 503',
    'Syntax error at line 503',
    'error on line 429: unexpected token',
    '429: fmt.Println()',
    '429 rows could not be saved',
    '500 tokens is too few',
    'Expected 3 arguments, but got 500.',
    'port 503 is in use',
    'Batch failed with 500 items',
    'The request has 429, 430 and 431 tokens',
    'request a429b7 is not known',
    'see https://host/503 and http://host:503/',
    'status 5030',
    'status 503.5',
    'HTTP 2004',
    'Could not parse "HTTP 503 happened today"',
    'The answer `429 Too Many Requests` has no label',
    `${'x'.repeat(400)} HTTP 503`,
    'rate limiter is not configured',
    'operator overloaded twice',
  ])('is not seen in %p', (message) => {
    expect(kindOf(new Error(message))).toBe('unknown');
  });

  it('counts only if nothing else tells, the cause included', () => {
    expect(kindOf(failed('HTTP 503', { status: 400 }))).toBe('stop');
    const cause = failed('no', { status: 429, headers: retryAfter });
    expect(classifyError(new Error('HTTP 503', { cause }))).toEqual(refused);
  });

  it('comes with the hint of its message', () => {
    expect(classifyError(new Error('HTTP 429: please retry in 7s.'))).toEqual(refused);
    expect(classifyError(new Error('HTTP 503. Retry after 7 seconds.'))).toEqual({
      ...refused,
      kind: 'overloaded',
    });
  });

  it('is found fast, however long the message', () => {
    const start = process.hrtime.bigint();
    for (const piece of [
      'HTTP ',
      'status code ',
      'error: ',
      'API error ',
      'a_b',
      'request failed ',
      '"',
      'E',
      '5',
    ]) {
      classifyError(new Error(piece.repeat(100_000)));
    }
    expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(500);
  });
});

describe('a wait, in whatever words it is said', () => {
  const waitOf = (fields: object, headers: object = {}) =>
    classifyError({ status: 429, headers, ...fields }).retryAfter;
  const date = 'Sat, 28 Nov 2026 12:00:00 GMT';

  it.each<[string, object]>([
    ['retry_after', { error: { retry_after: 9 } }],
    ['retry_after_seconds', { error: { retry_after_seconds: 9 } }],
    ['retry_after_ms', { error: { retry_after_ms: 9000 } }],
    ['retryAfter in seconds', { retryAfter: 9 }],
    ['retryAfter in milliseconds, as it seems', { retryAfter: 9000 }],
    ['retryAfterMs', { body: { retryAfterMs: '9000' } }],
    ['retryAfterSeconds', { data: { retryAfterSeconds: '9' } }],
    ['retry_after as a duration', { error: { retry_after: '9s' } }],
    ['retry-after', { body: '{"retry-after":9}' }],
    ['resets_in_seconds', { error: { type: 'usage_limit_reached', resets_in_seconds: 9 } }],
    ['wait_seconds', { error: { wait_seconds: 9 } }],
  ])('is read from the field %s', (_name, fields) => {
    expect(waitOf(fields)).toBe(9000);
  });

  it.each<[string, number | undefined]>([
    ['Request was throttled. Your rate limit resets in ~9s.', 9000],
    ['Request was throttled. Expected available in 9 seconds.', 9000],
    ['Please wait 9 seconds before you ask again.', 9000],
    ['Please wait for 9 sec, then retry', 9000],
    ['Retrying in about 9 s', 9000],
    ['Try again in 1 minute 5 seconds.', 65_000],
    ['Try again in 1 hour, 2 minutes and 5 seconds.', 3_725_000],
    ['try again in 9min', 540_000],
    ['try again in 1d1h1m1s', 90_061_000],
    ['try again in 1d24h', undefined],
    ['Support is available 24 hours a day', undefined],
    ['The limit resets 2am', undefined],
    ['I wait 3 times', undefined],
  ])('is read from %p as %p ms', (message, milliseconds) => {
    expect(waitOf({ message })).toBe(milliseconds);
    expect(waitOf({ error: { message } })).toBe(milliseconds);
    expect(waitOf({ detail: message })).toBe(milliseconds);
  });

  it.each<[string, object]>([
    ['a window that is spent, without its policy', { ratelimit: '"api";r=0;t=9' }],
    [
      'a policy of two names',
      { ratelimit: '"api";r=0;t=9', 'ratelimit-policy': '"fixed window";"api";q=500;w=300' },
    ],
    ['the longest of the windows that are spent', { ratelimit: '"a";r=0;t=2, "b";r=0;t=9, "c";r=5;t=60' }],
    ['the older drafts', { 'ratelimit-remaining': '0', 'ratelimit-reset': '9' }],
    ['draft 7', { ratelimit: 'limit=100, remaining=0, reset=9' }],
    ['a gateway’s seconds', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '9' }],
    ['a gateway’s moment', { date, 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': '1795867209' }],
    ['an epoch', { date, 'retry-after': '1795867209' }],
    ['an epoch in milliseconds', { date, 'retry-after': '1795867209000' }],
    ['a header that was sent twice', { 'retry-after': ['9', '9'] }],
    ['two different ones', { 'retry-after': ['9', '60'] }],
  ])('is read from %s', (_name, headers) => {
    expect(waitOf({}, headers)).toBe(9000);
  });

  it('is not read from a window that is not spent', () => {
    expect(waitOf({}, { ratelimit: '"api";r=1;t=9' })).toBeUndefined();
    expect(waitOf({}, { 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': '9' })).toBeUndefined();
    expect(waitOf({ error: { retry_after: true, retry: 5, wait: 5, waiting_list: 9 } })).toBeUndefined();
  });
});

describe('a limit of 0', () => {
  const closed = { 'x-ratelimit-limit-req-minute': '0' };
  const error = { type: 'rate_limited', code: '1300' };

  it('in the headers of a 429 has nothing to wait for', () => {
    expect(classifyError({ status: 429, headers: closed, error })).toEqual({ kind: 'stop' });
    expect(
      classifyError({ status: 429, headers: { ...closed, 'x-ratelimit-limit-tokens-minute': '0' } }),
    ).toEqual({
      kind: 'stop',
    });
    expect(kindOf({ status: 429, headers: { 'x-ratelimit-limit-tokens-minute': '0' }, error })).toBe('stop');
  });

  it('is none if the provider asks to wait, or says beside it that it does not know', () => {
    expect(classifyError({ status: 429, headers: { ...closed, ...retryAfter }, error })).toEqual(refused);
    const azure = { 'x-ratelimit-limit-requests': '0', 'x-ratelimit-limit-tokens': '-1' };
    expect(kindOf({ status: 429, headers: azure })).toBe('wait');
  });

  it('says nothing beside another status', () => {
    expect(kindOf({ status: 503, headers: closed })).toBe('overloaded');
    expect(kindOf({ status: 500, headers: closed })).toBe('transient');
  });
});

describe('the word of an SDK that an error may be tried again', () => {
  it.each<[string, object, object]>([
    ['the AI SDK’s', { isRetryable: true }, { kind: 'transient' }],
    [
      'the AI SDK’s, with a hint',
      { isRetryable: true, responseHeaders: { 'retry-after-ms': '700' } },
      { kind: 'transient', retryAfter: 700 },
    ],
    ['that of Amazon’s old SDK', { retryable: true }, { kind: 'transient' }],
    ['that of Amazon’s SDK', { $retryable: {} }, { kind: 'transient' }],
    ['none', { isRetryable: false }, { kind: 'unknown' }],
    ['one that a status contradicts', { isRetryable: true, statusCode: 400 }, { kind: 'stop' }],
  ])('is heard: %s', (_name, fields, classification) => {
    expect(classifyError(failed('no', fields))).toEqual(classification);
  });
});
