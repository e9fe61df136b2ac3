import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** A program for Node, in a folder of its own. */
export interface Bundle {
  readonly path: string;
  /** Removes it. */
  readonly remove: () => void;
}

/**
 * Makes one program of a TypeScript file and all that it imports of this repository, without types and otherwise as it
 * is written. What runs TypeScript directly wraps every function that is made, so that it keeps its name, and so makes
 * all that makes functions slower than it is when published.
 * @param root the folder of this repository: packages are found in its `node_modules`
 */
export async function bundle(root: string, entry: string): Promise<Bundle> {
  const caches = join(root, 'node_modules', '.cache');
  mkdirSync(caches, { recursive: true });
  const folder = mkdtempSync(join(caches, 'rxllm-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const path = join(folder, 'measure.mjs');
  try {
    await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile: path,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'es2022',
      packages: 'external',
      keepNames: false,
      tsconfig: join(root, 'tsconfig.json'),
      logLevel: 'silent',
    });
  } catch (error) {
    remove();
    throw error;
  }
  return { path, remove };
}
