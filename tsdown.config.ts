import { defineConfig } from 'tsdown';

export default defineConfig({
  entry: { index: 'lib/index.ts', openai: 'lib/openai.ts', testing: 'lib/testing.ts' },
  format: ['esm', 'cjs'],
  platform: 'neutral',
  target: 'es2022',
  fixedExtension: true,
  dts: true,
  sourcemap: true,
  clean: true,
});
