import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'tsdown';
import { parts } from './lib/live/page/parts';

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

/** Puts the live page, bundled, in place of the module that bundles it. */
const livePage = {
  name: 'live-page',
  load: (id: string) =>
    id.endsWith('/lib/live/page/parts.ts')
      ? `export const parts = () => (${JSON.stringify(parts())});`
      : undefined,
};

export default defineConfig({
  entry: {
    index: 'lib/index.ts',
    disk: 'lib/disk.ts',
    ai: 'lib/ai.ts',
    anthropic: 'lib/anthropic.ts',
    fetch: 'lib/fetch.ts',
    google: 'lib/google.ts',
    live: 'lib/live.ts',
    openai: 'lib/openai.ts',
    redis: 'lib/redis.ts',
    otel: 'lib/otel.ts',
    testing: 'lib/testing.ts',
    ...Object.fromEntries(alone.map((path) => [`alone/${path}`, `lib/${path}.ts`])),
  },
  format: ['esm', 'cjs'],
  plugins: [livePage],
  // The annexes stand on the public names, so they import the package by its own name.
  deps: { neverBundle: ['rxllm'] },
  // Only for rxllm/disk and rxllm/live; the others need nothing of Node, which the layers check.
  platform: 'node',
  target: 'es2022',
  fixedExtension: true,
  dts: { entry: 'lib/*.ts' },
  sourcemap: true,
  hash: false,
  clean: true,
  hooks: {
    'build:done': () => {
      forgetDeclarationMaps();
      writeLicences();
    },
  },
});

/** Declarations have no maps, as those would lead to sources that are not shipped; the bundler points to some all the same. */
function forgetDeclarationMaps(): void {
  for (const name of readdirSync('dist').filter((file) => /\.d\.[cm]ts$/.test(file))) {
    const path = join('dist', name);
    writeFileSync(path, readFileSync(path, 'utf8').replace(/\n\/\/# sourceMappingURL=.*/, '\n'));
  }
}

/** The licences of what the live page is made of, as they ask for. */
function writeLicences(): void {
  const texts = ['preact', 'htm', 'uplot'].map(
    (name) => `${name}\n\n${readFileSync(join('node_modules', name, 'LICENSE'), 'utf8')}`,
  );
  writeFileSync(join('dist', 'live-page-licences.txt'), texts.join('\n\n'));
}
