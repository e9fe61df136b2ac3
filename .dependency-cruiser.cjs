/**
 * The house: imports point down only. Floors from the top: the public faces (6), the clients (5), the
 * optimizer (4), the operators (3), the four engines beside each other (2) and the core (1).
 */
const floors = {
  faces: '^lib/[^/]+\\.ts$',
  optimizer: '^lib/optimizer/',
  operators: '^lib/operators/',
  engines: '^lib/(limiter|cache|stats|provider)/',
  core: '^lib/core/',
  /** Stands beside the house: the core below it, its own face above. */
  testing: '^lib/testing/',
  /** Likewise. */
  disk: '^lib/disk/',
  /** An annex on top: what is below the faces stands below it, and its own face above. */
  clients: '^lib/clients/',
  /** Likewise. */
  redis: '^lib/redis/',
};

const upward = (name, from, to) => ({ name, severity: 'error', from: { path: from }, to: { path: to } });

module.exports = {
  forbidden: [
    upward('core-imports-nothing-above', floors.core, '^lib/(?!core/)'),
    upward(
      'engines-import-only-engines-and-core',
      floors.engines,
      '^lib/(?!(limiter|cache|stats|provider|core)/)',
    ),
    upward('operators-import-only-below', floors.operators, '^lib/(optimizer/|[^/]+\\.ts$)'),
    upward('optimizer-imports-no-face', floors.optimizer, floors.faces),
    upward('clients-import-no-face', floors.clients, floors.faces),
    {
      name: 'clients-are-for-those-who-ask',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/((ai|anthropic|fetch|google|openai)\\.ts$|clients/)' },
      to: {
        path: '(^lib/((ai|anthropic|fetch|google|openai)\\.ts$|clients/)|(^|/)(openai|@anthropic-ai/sdk|@google/genai)(/|$))',
      },
    },
    upward('testing-imports-only-core', floors.testing, '^lib/(?!(testing|core)/)'),
    {
      name: 'testing-is-for-tests',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/testing(\\.ts$|/)' },
      to: { path: '^lib/testing(\\.ts$|/)' },
    },
    upward('disk-imports-only-core', floors.disk, '^lib/(?!(disk|core)/|cache/cache-store\\.ts$)'),
    {
      name: 'disk-is-for-those-who-ask',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/disk(\\.ts$|/)' },
      to: { path: '(^lib/disk(\\.ts$|/)|(^|/)lmdb(/|$))' },
    },
    upward('redis-imports-only-core', floors.redis, '^lib/(?!(redis|core)/|cache/cache-store\\.ts$)'),
    {
      name: 'redis-is-for-those-who-ask',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/redis(\\.ts$|/)' },
      to: { path: '^lib/redis(\\.ts$|/)' },
    },
    upward('annexes-stand-on-public-names', '^lib/(live|otel)/', '^lib/(?!$1/|index\\.ts$)'),
    {
      name: 'annexes-are-for-those-who-ask',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(live|otel)(\\.ts$|/)' },
      to: { path: '(^lib/(live|otel)(\\.ts$|/)|(^|/)@opentelemetry(/|$))' },
    },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'rxjs-only-on-top',
      comment: 'Below the operators only the clock and the two faces that hand out Observables know RxJS.',
      severity: 'error',
      from: {
        path: '^lib/(core|limiter|cache|stats|provider)/',
        pathNot: '^lib/(core/scheduler-clock|limiter/adaptive-rate-limiter|stats/call-stats)\\.ts$',
      },
      to: { path: '(^|/)rxjs(/|$)', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nothing-of-node',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(disk|live)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'engines-stand-beside-each-other',
      comment:
        'The limiter and the statistics may read provider signals; otherwise one engine does not know another.',
      severity: 'error',
      from: { path: '^lib/(cache|provider)/' },
      to: { path: '^lib/(limiter|cache|stats|provider)/', pathNot: '^lib/$1/' },
    },
    upward('statistics-count-and-steer-nothing', '^lib/stats/', '^lib/(limiter|cache)/'),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
};
