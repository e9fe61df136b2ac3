import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build, type Metafile } from 'esbuild';
import { root } from '../built';
import type { Bundle } from './bundles';

/** With the package itself, which the annexes import by its name. */
const peers = ['rxjs', 'openai', 'lmdb', '@opentelemetry/api', 'rxllm'];
const dependencies = ['@noble/hashes', 'fast-json-stable-stringify', 'lru-cache'];

/** Bytes of a bundle. */
export interface Sizes {
  readonly minified: number;
  readonly gzip: number;
  readonly brotli: number;
}

export interface Measurement {
  readonly bundle: Bundle;
  /** Without peers and without runtime dependencies. */
  readonly own: Sizes;
  /** Without peers only. */
  readonly withDependencies: Sizes;
}

/** Bundles from what was built, as a user's bundler does. */
export async function measure(bundle: Bundle, dist = join(root, 'dist')): Promise<Measurement> {
  const entry = join(dist, `${bundle.face}.mjs`);
  const sizes = async (external: string[]): Promise<Sizes> =>
    sizesOf((await bundled(bundle, entry, external)).code);
  return {
    bundle,
    own: await sizes([...peers, ...dependencies]),
    withDependencies: await sizes(peers),
  };
}

/** How many minified bytes each file of `lib/` has in a bundle made from the sources. */
export async function shareOfFiles(bundle: Bundle): Promise<ReadonlyMap<string, number>> {
  const entry = join(root, 'lib', `${bundle.face}.ts`);
  const { metafile } = await bundled(bundle, entry, [...peers, ...dependencies]);
  const [output] = Object.values(metafile.outputs);
  return new Map(
    Object.entries(output!.inputs)
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([path, { bytesInOutput }]) => [path.replace(/^.*\blib\//, ''), bytesInOutput]),
  );
}

async function bundled(
  { face, names }: Bundle,
  entry: string,
  external: string[],
): Promise<{ code: Uint8Array; metafile: Metafile }> {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: `export ${names ? `{ ${names.join(', ')} }` : '*'} from ${JSON.stringify(entry)};`,
      resolveDir: root,
    },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: face === 'disk' || face === 'live' ? 'node' : 'browser',
    // Or esbuild would read the tsconfig of this repository, which no user has.
    tsconfigRaw: {},
    external,
    legalComments: 'none',
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  return { code: outputFiles[0]!.contents, metafile };
}

function sizesOf(code: Uint8Array): Sizes {
  return {
    minified: code.length,
    gzip: gzipSync(code, { level: 9 }).length,
    brotli: brotliCompressSync(code).length,
  };
}
