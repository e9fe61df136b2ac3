import { errorInAnswer, isHtmlPage } from '../../lib/core/answer-error';
import { NoAnswerError } from '../../lib/core/errors';
import { classifyError } from '../../lib/provider/classify-error';

const choice = (fields: object) => ({
  choices: [{ index: 0, message: { role: 'assistant', content: 'x' }, ...fields }],
});

describe('errorInAnswer', () => {
  it.each<[string, unknown, string]>([
    ['OpenRouter', { error: { code: 429, message: 'slow down' }, user_id: 'u' }, 'wait'],
    ['OpenRouter, of a model behind it', { error: { code: 502, message: 'm' } }, 'transient'],
    ['a status as a text', { error: { code: '503', message: 'm' } }, 'overloaded'],
    ['a status alone', { error: { code: 401 } }, 'stop'],
    [
      'OpenAI',
      { error: { message: 'm', type: 'invalid_request_error', param: null, code: 'model_not_found' } },
      'stop',
    ],
    ['Groq', { error: { message: 'm', type: 'tokens', code: 'rate_limit_exceeded' } }, 'wait'],
    ['OpenAI, of an unknown kind', { error: { message: 'm', type: null, code: null } }, 'transient'],
    [
      'Anthropic',
      { type: 'error', error: { type: 'overloaded_error', message: 'm' }, request_id: 'r' },
      'overloaded',
    ],
    ['Gemini', { error: { code: 503, message: 'm', status: 'UNAVAILABLE' } }, 'overloaded'],
    ['Gemini, without its status', { error: { message: 'm', status: 'RESOURCE_EXHAUSTED' } }, 'wait'],
    ['Gemini, in a list', [{ error: { code: 429, message: 'm', status: 'RESOURCE_EXHAUSTED' } }], 'wait'],
    ['vLLM', { object: 'error', message: 'm', type: 'BadRequestError', param: null, code: 400 }, 'stop'],
    [
      'Mistral',
      { object: 'error', message: { detail: [] }, type: 'x', param: null, code: null },
      'transient',
    ],
    ['Bedrock', { __type: 'ThrottlingException', message: 'm' }, 'wait'],
    ['Bedrock, in capitals', { __type: 'ServiceUnavailableException', Message: 'm' }, 'overloaded'],
    [
      'an empty completion',
      { id: 'x', model: 'm', choices: [], error: { code: 502, message: 'm' } },
      'transient',
    ],
    ['a completion of null', { choices: null, error: { code: 502, message: 'm' } }, 'transient'],
    ['a choice', choice({ finish_reason: 'error', error: { code: 502, message: 'm' } }), 'transient'],
    ['a choice without a message', { choices: [{ finish_reason: 'error', error: { code: 429 } }] }, 'wait'],
    [
      'a response that failed',
      {
        object: 'response',
        status: 'failed',
        error: { code: 'rate_limit_exceeded', message: 'm' },
        output: [],
      },
      'wait',
    ],
    ['a response that failed in silence', { object: 'response', status: 'failed', output: [] }, 'transient'],
  ])('finds that of %s, which means what it says', (_name, answer, kind) => {
    const error = errorInAnswer(answer);
    expect(error).toBeInstanceOf(NoAnswerError);
    expect(classifyError(error).kind).toBe(kind);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['0', 0],
    ['false', false],
    ['an empty text', ''],
    ['a text', '{"error":{"code":429,"message":"slow down"}}'],
    ['a page', '<html>'],
    ['an empty list', []],
    ['two bodies', [{ error: { code: 429 } }, { error: { code: 429 } }]],
    ['an empty object', {}],
    ['an error that is null', { error: null, choices: [] }],
    ['an error that is a text', { error: 'model not found' }],
    ['an error that is an amount', { error: 0.03 }],
    ['an error without a status', { error: { message: 'no date found' } }],
    ['an error with a code of its own', { error: { code: 'E_DATE', message: 'no date found' } }],
    ['an error beside what was found out', { label: 'x', error: { code: 429, message: 'm' } }],
    ['an error beside a message', { message: 'x', error: { code: 429, message: 'm' } }],
    ['an error beside content', { content: 'x', error: { code: 429, message: 'm' } }],
    ['an outcome of somebody else', { ok: false, error: { code: 500, message: 'm' } }],
    ['an error beside a whole completion', { ...choice({}), error: { code: 429, message: 'm' } }],
    ['a completion', choice({ finish_reason: 'stop' })],
    ['a completion that was cut off', choice({ finish_reason: 'length', error: null })],
    ['a completion without choices', { id: 'x', choices: [] }],
    ['a response that is incomplete', { object: 'response', status: 'incomplete', output: [] }],
    ['a description of an exception', { __type: 'ThrottlingException', retries: 3 }],
    ['a class of exceptions', { __type: 'Throttling', message: 'm' }],
    ['an instance', Object.assign(new Map(), { error: { code: 429 } })],
    ['an error object', Object.assign(new Error('m'), { error: { code: 429 } })],
    [
      'what throws when it is looked at',
      Object.defineProperty({}, 'choices', {
        get: () => {
          throw new Error('read');
        },
      }),
    ],
  ])('takes %s for an answer', (_name, answer) => {
    expect(errorInAnswer(answer)).toBeUndefined();
  });

  it('says what it found, and shows nothing that may be content', () => {
    const secret = 'Summarise the merger of NRDX before it is public.';
    const { message, status, providerCode, error, code, name } = errorInAnswer({
      error: { code: 429, type: 'rate_limit_error', message: secret, metadata: { raw: secret } },
    })!;
    expect(message).toBe(
      'The call succeeded, but it brought an error in place of an answer (429, rate_limit_error). It counts as failed.',
    );
    expect({ status, providerCode, code, name }).toEqual({
      status: 429,
      providerCode: 'rate_limit_error',
      code: 'no-answer',
      name: 'NoAnswerError',
    });
    expect(error).toMatchObject({ message: secret });
    expect(errorInAnswer({ error: { code: 500, type: secret } })!.message).not.toContain('NRDX');
  });

  it('brings the hints of the error', () => {
    const classified = classifyError(
      errorInAnswer({
        error: { code: 429, message: 'm', metadata: { headers: { 'retry-after': '7' } } },
      }),
    );
    expect(classified).toEqual({ kind: 'wait', retryAfter: 7000 });
  });
});

describe('isHtmlPage', () => {
  it('looks at the beginning only', () => {
    expect(isHtmlPage(`${' '.repeat(100)}<!doctype  HTML>`)).toBe(true);
    expect(isHtmlPage('\uFEFF<html>')).toBe(true);
    expect(isHtmlPage('<htmlx>')).toBe(false);
    expect(isHtmlPage('An answer: <html>')).toBe(false);
    expect(isHtmlPage('<!--'.repeat(100_000))).toBe(false);
  });
});
