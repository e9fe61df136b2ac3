import * as everything from '../../lib/index';
import { bundles, type Bundle } from './size/bundles';
import { shareOfFiles, type Measurement } from './size/measure';
import { byFolder, overBudget } from './size/page';

const alone = (name: string): Bundle => ({ face: 'index', names: [name], budget: 0 });
const filesOf = async (name: string) => [...(await shareOfFiles(alone(name))).keys()];

/** What each name must do without, when it is all that a user imports. */
const foreign: Readonly<Record<string, RegExp>> = {
  mergeWithConcurrency:
    /^(?:cache|optimizer|stats|testing|disk)\/|^operators\/(?:cache|misses|landing|adaptive)|^limiter\/(?!admission-queue|priority-(?:class|line)|lane|pool-share|hopeless-requests|walls|wake|slot-pool|engine-of)/,
  adaptiveThrottle:
    /^(?:cache|optimizer|stats|testing|disk)\/|^operators\/(?:cache|misses|landing|merge|concurrent)/,
  cacheLLM: /^(?:limiter|optimizer|stats|testing|disk)\/|^operators\/(?:merge|concurrent|adaptive)/,
  unwrapOutcomes: /^(?!operators\/(?:unwrap-outcomes|outcomes)|core\/settings)/,
  AdaptiveRateLimiter: /^(?:cache|operators|optimizer|stats|testing|disk)\//,
  LLMResultCache: /^(?:limiter|operators|optimizer|stats|provider|testing|disk)\//,
  CallStats: /^(?:cache|limiter|operators|optimizer|testing|disk)\/|^provider\/(?!error-)/,
  classifyError: /^(?:cache|limiter|operators|optimizer|stats|testing|disk)\//,
  isCacheable: /^(?!cache\/(?:cacheable-answer|answer-content)|core\/)/,
  errorInAnswer: /^(?!core\/(?:answer-error|errors))/,
  prometheusText: /^(?!stats\/prometheus-text|core\/)/,
  errorKindOf: /^(?!stats\/error-kinds|provider\/error-|core\/)/,
  CallPriority: /^(?!core\/priority)/,
  ClosedError: /^(?!core\/errors)/,
};

describe('a bundle of one name', () => {
  it.each(Object.entries(foreign))('%s holds nothing of the rest', async (name, pattern) => {
    const files = await filesOf(name);
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => pattern.test(file))).toEqual([]);
  });

  it('is not so small because nothing is ever there', async () => {
    const files = await filesOf('LLMCallOptimizer');
    expect([...byFolder(new Map(files.map((file) => [file, 1]))).keys()].sort()).toEqual([
      'cache',
      'core',
      'limiter',
      'operators',
      'optimizer',
      'provider',
      'stats',
    ]);
  });
});

describe('the budgets', () => {
  it('are there for every name that can be imported alone, but the errors', () => {
    const budgeted = bundles.flatMap(({ face, names }) => (face === 'index' ? (names ?? []) : []));
    const names = Object.keys(everything).filter(
      (name) => !name.endsWith('Error') || name === 'classifyError',
    );
    expect(budgeted.filter((name) => name !== 'ClosedError').sort()).toEqual(names.sort());
  });

  it('are passed only by what is larger', () => {
    const measured = (gzip: number): Measurement => {
      const sizes = { minified: 9000, gzip, brotli: 900 };
      return { bundle: { ...alone('CallStats'), budget: 2500 }, own: sizes, withDependencies: sizes };
    };
    expect(overBudget([measured(2500)])).toEqual([]);
    expect(overBudget([measured(2501), measured(2600)])).toEqual([
      '{ CallStats } takes 2501 bytes, but may take 2500.',
      '{ CallStats } takes 2600 bytes, but may take 2500.',
    ]);
  });
});
