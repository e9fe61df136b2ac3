import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as rxllm from '../../lib';
import { DiskStoreError } from '../../lib/disk/disk-store-error';
import { PortTakenError } from '../../lib/live/serve-stats';

const cause = new Error('the cause');

const errors: readonly (Error & { readonly code: string })[] = [
  new rxllm.CallTimeoutError(10),
  new rxllm.ClosedError('The optimizer'),
  new rxllm.DeadlineExceededError(10, cause),
  new rxllm.FleetCallError('It failed.'),
  new rxllm.MissingOutcomeError(cause),
  new rxllm.NoAnswerError('an empty body'),
  new rxllm.QueueOverflowError(5),
  new rxllm.QuotaSpentError(10, 0, cause),
  new rxllm.SpendLimitError(6, 5, cause),
  new DiskStoreError('lmdb-missing', 'answers', 'No lmdb.'),
  new PortTakenError(80, cause),
];

describe('errors', () => {
  it('are all in the list above', () => {
    const exported = Object.entries(rxllm).filter(
      ([, value]) => typeof value === 'function' && value.prototype instanceof Error,
    );
    const listed = new Set(errors.map(({ name }) => name));
    expect(exported.map(([name]) => name).filter((name) => !listed.has(name))).toEqual([]);
  });

  it('have codes of their own, which the README tells', () => {
    const readme = readFileSync(join(__dirname, '../../README.md'), 'utf8').replaceAll(/ +/g, ' ');
    const rows = errors.map(({ name, code }) => `| \`${name}\` | \`${code}\``);
    expect(rows.filter((row) => !readme.includes(row))).toEqual([]);
    expect(new Set(errors.map(({ code }) => code)).size).toBe(errors.length);
  });

  it('are told apart by their codes where another copy of the package made them, as an ES module beside CommonJS', () => {
    jest.isolateModules(() => {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- a second copy of the module
      const other = require('../../lib/core/errors') as typeof rxllm;
      const error: unknown = new other.ClosedError('The optimizer');
      expect(error instanceof rxllm.ClosedError).toBe(false);
      expect(error).toMatchObject({ name: 'ClosedError', code: 'closed' });
    });
  });

  it('say what drains, and what is closed', () => {
    expect(new rxllm.ClosedError('It').message).toBe('It is closed. Make a new one for further requests.');
    expect(new rxllm.ClosedError('It', 'draining').message).toBe(
      'It is draining: it only answers what was asked before. Make a new one for further requests.',
    );
  });
});
