import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'tsdown';

/** What is worth importing alone gets a file of its own: bundlers drop whole files, but keep most of a file they need. */
const alone = [
  'cache/cacheable-answer',
  'cache/llm-result-cache',
  'core/answer-error',
  'core/errors',
  'core/priority',
  'limiter/adaptive-rate-limiter',
  'operators/adaptive-throttle',
  'operators/cache-llm',
  'operators/merge-with-concurrency',
  'operators/unwrap-outcomes',
  'provider/classify-error',
  'stats/call-stats',
];

export default defineConfig({
  entry: {
    index: 'lib/index.ts',
    disk: 'lib/disk.ts',
    ai: 'lib/ai.ts',
    anthropic: 'lib/anthropic.ts',
    fetch: 'lib/fetch.ts',
    google: 'lib/google.ts',
    openai: 'lib/openai.ts',
    redis: 'lib/redis.ts',
    testing: 'lib/testing.ts',
    ...Object.fromEntries(alone.map((path) => [`alone/${path}`, `lib/${path}.ts`])),
  },
  format: ['esm', 'cjs'],
  // Only for the `require` of rxllm/disk; the others need nothing of Node, which the layers check.
  platform: 'node',
  target: 'es2022',
  fixedExtension: true,
  dts: { entry: 'lib/*.ts' },
  sourcemap: true,
  hash: false,
  clean: true,
  hooks: { 'build:done': forgetDeclarationMaps },
});

/** Declarations have no maps, as those would lead to sources that are not shipped; the bundler points to some all the same. */
function forgetDeclarationMaps(): void {
  for (const name of readdirSync('dist').filter((file) => /\.d\.[cm]ts$/.test(file))) {
    const path = join('dist', name);
    writeFileSync(path, readFileSync(path, 'utf8').replace(/\n\/\/# sourceMappingURL=.*/, '\n'));
  }
}
