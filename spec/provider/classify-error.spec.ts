import { CallTimeoutError } from '../../lib/core/errors';
import { classifyError } from '../../lib/provider/classify-error';

const failed = (fields: object) => Object.assign(new Error('failed'), fields);

class APIConnectionError extends Error {}

describe('classifyError', () => {
  it.each<[string, unknown, object]>([
    ['429', { status: 429 }, { kind: 'wait' }],
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
    ['404', { status: 404 }, { kind: 'stop' }],
    ['a spent quota', { status: 429, code: 'insufficient_quota' }, { kind: 'stop' }],
    ['a spent quota in the body', { status: 429, error: { type: 'insufficient_quota' } }, { kind: 'stop' }],
    ['a lost connection', { code: 'ECONNRESET' }, { kind: 'transient' }],
    ['a lost connection as cause', { cause: { code: 'UND_ERR_SOCKET' } }, { kind: 'transient' }],
    ['a name that does not resolve for now', { code: 'EAI_AGAIN' }, { kind: 'transient' }],
    ['an error by its name', { name: 'APIConnectionTimeoutError' }, { kind: 'transient' }],
    ['another error', {}, { kind: 'unknown' }],
  ])('knows %s', (_name, fields, classification) => {
    expect(classifyError(failed(fields as object))).toEqual(classification);
  });

  it('knows our own timeout and connection errors by their class', () => {
    expect(classifyError(new CallTimeoutError(5))).toEqual({ kind: 'transient' });
    expect(classifyError(new APIConnectionError())).toEqual({ kind: 'transient' });
  });

  it.each([undefined, null, 'failed', 5, Symbol('failed'), Object.create(null), () => undefined])(
    'takes %p, which is no error it knows, for unknown without throwing',
    (error) => {
      expect(classifyError(error)).toEqual({ kind: 'unknown' });
    },
  );
});
