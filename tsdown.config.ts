import { defineConfig } from 'tsdown';

export default defineConfig({
  entry: { index: 'lib/index.ts', disk: 'lib/disk.ts', openai: 'lib/openai.ts', testing: 'lib/testing.ts' },
  format: ['esm', 'cjs'],
  // Only for the `require` of rxllm/disk; the others need nothing of Node, which the layers check.
  platform: 'node',
  target: 'es2022',
  fixedExtension: true,
  dts: true,
  sourcemap: true,
  clean: true,
});
