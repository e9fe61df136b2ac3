import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the repository, in which npm and jest run what they run. */
export const root = process.cwd();

/** The names of the entry points, as the files in `lib/` and `dist/` are called. */
export const faces = [
  'index',
  'ai',
  'anthropic',
  'fetch',
  'google',
  'openai',
  'testing',
  'disk',
  'live',
  'otel',
  'redis',
] as const;
export type Face = (typeof faces)[number];

/** How a face is imported. */
export const specifierOf = (face: Face): string => (face === 'index' ? 'rxllm' : `rxllm/${face}`);

/** Why what is in `dist/` does not tell what is in `lib/`; undefined where it does. */
export function staleness(dist = join(root, 'dist')): string | undefined {
  const missing = faces
    .flatMap((face) => [`${face}.mjs`, `${face}.cjs`, `${face}.d.mts`, `${face}.d.cts`])
    .filter((file) => !existsSync(join(dist, file)));
  if (missing.length > 0) {
    return `dist/ lacks ${missing.join(', ')}: run npm run build first.`;
  }
  const builtAt = Math.min(...faces.map((face) => statSync(join(dist, `${face}.d.mts`)).mtimeMs));
  const newer = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .find((file) => statSync(join(root, 'lib', file)).mtimeMs > builtAt);
  return newer === undefined ? undefined : `lib/${newer} is newer than dist/: run npm run build first.`;
}
