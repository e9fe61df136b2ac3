import { specifierOf } from '../built';
import { aim, type Bundle } from './bundles';
import type { Measurement } from './measure';

/** The bundles that are larger than they may be, a sentence each. */
export function overBudget(measurements: readonly Measurement[]): string[] {
  return measurements
    .filter(({ bundle, own }) => own.gzip > bundle.budget)
    .map(({ bundle, own }) => `${titleOf(bundle)} takes ${own.gzip} bytes, but may take ${bundle.budget}.`);
}

/** The bytes of a bundle by folder of `lib/`, minified and not compressed. */
export type Folders = ReadonlyMap<string, number>;

/** Puts the files of a bundle together by folder. */
export function byFolder(files: ReadonlyMap<string, number>): Folders {
  const folders = new Map<string, number>();
  for (const [path, bytes] of files) {
    const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : 'faces';
    folders.set(folder, (folders.get(folder) ?? 0) + bytes);
  }
  return folders;
}

const columns = ['core', 'operators', 'optimizer', 'limiter', 'cache', 'stats', 'provider'];

/** The page of `docs/`. */
export function page(
  measurements: readonly Measurement[],
  contents: readonly (readonly [Bundle, Folders])[],
  versions: string,
): string {
  return `# What rxllm adds to a bundle

${answer(measurements)}

${table([
  ['Import', 'Budget', 'Takes', 'With dependencies', 'Brotli', 'Not compressed'],
  ...measurements.map(({ bundle, own, withDependencies }) => [
    titleOf(bundle, '`'),
    kilobytes(bundle.budget),
    kilobytes(own.gzip),
    kilobytes(withDependencies.gzip),
    kilobytes(own.brotli),
    kilobytes(own.minified),
  ]),
])}

${verdict(measurements)}

## What is in it

${table([
  ['Import', ...columns],
  ...contents.map(([bundle, folders]) => [
    titleOf(bundle, '`'),
    ...columns.map((folder) => {
      const bytes = folders.get(folder);
      return bytes === undefined ? '' : (bytes / 1000).toFixed(1);
    }),
  ]),
])}

These are kB, minified and not compressed, by folder of \`lib/\`. The bundler drops all other files.

## How it is measured

Written by \`npm run size\`. \`npm run size:check\`, a part of \`npm test\`, fails if an import exceeds its budget. ${versions}
bundles the published files, minifies them for ES2022, and gzip -9 compresses them; kB are 1000 bytes. RxJS and the other
peers are left out, because your bundle has them anyway. A budget bounds the column "Takes", which leaves out the runtime
dependencies too; the next column includes them.
`;
}

/** The first table, for a terminal. */
export function lines(measurements: readonly Measurement[]): string {
  return measurements
    .map(
      ({ bundle, own, withDependencies }) =>
        `${titleOf(bundle).padEnd(40)} ${kilobytes(own.gzip).padStart(9)} of ${kilobytes(bundle.budget).padStart(9)}` +
        `, with dependencies ${kilobytes(withDependencies.gzip).padStart(9)}`,
    )
    .join('\n');
}

const operators = ['mergeWithConcurrency', 'adaptiveThrottle', 'cacheLLM', 'unwrapOutcomes'];

function answer(measurements: readonly Measurement[]): string {
  const sizeOf = (names: string | undefined) =>
    kilobytes(
      measurements.find(({ bundle }) => bundle.face === 'index' && bundle.names?.join() === names)!.own.gzip,
    );
  return (
    `\`mergeWithConcurrency\` alone adds ${sizeOf('mergeWithConcurrency')} to a bundle, \`LLMCallOptimizer\` ` +
    `${sizeOf('LLMCallOptimizer')}, and all of \`rxllm\` ${sizeOf(undefined)}, minified and compressed, beside RxJS.`
  );
}

function verdict(measurements: readonly Measurement[]): string {
  const alone = (name: string) =>
    measurements.find(({ bundle: { names } }) => names?.length === 1 && names[0] === name)!;
  const above = operators.map(alone).filter(({ own }) => own.gzip > aim);
  const names = above.map(({ bundle }) => titleOf(bundle, '`'));
  const { bundle, own } = alone('mergeWithConcurrency');
  return (
    `The aim for one operator alone is ${kilobytes(aim).replace('.0', '')}. ` +
    `Above it: ${names.length === 0 ? 'none' : names.join(', ')}. ` +
    `By Brotli ${titleOf(bundle, '`')} takes ${kilobytes(own.brotli)}.`
  );
}

function titleOf(bundle: Bundle, quote = ''): string {
  const all = `all of ${quote}${specifierOf(bundle.face)}${quote}`;
  return bundle.names ? `${quote}{ ${bundle.names.join(', ')} }${quote}` : all;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(bytes < 1000 ? 2 : 1)} kB`;
}

function table(rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows.map((cells) => `| ${cells.join(' | ')} |`);
  const rule = `| --- |${' ---: |'.repeat(rows[0]!.length - 1)}`;
  return [head, rule, ...body].join('\n');
}
