/**
 * The packed package in many fresh projects: the oldest and the newest of RxJS, Node, TypeScript and the optional peers.
 *
 * Run it: npm run package:matrix
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expected, expectedOfAI, expectedOfOpenAI, expectedWithPeers } from './expected';
import { install, isOffline, makeProject, output, pack, type Compiler } from './projects';

const oldestNode = '20.0.0';

/**
 * What goes together: all at their oldest, all at their newest. Of TypeScript, 4.7 is the first that knows `nodenext`, 5.0
 * the first that knows `bundler`; the types of Node need newer ones by themselves.
 * RxJS and the peers are those that npm gives today for the ranges of our package.json.
 */
const ages = [
  {
    age: 'oldest',
    rxjs: '7.8.0',
    openai: '4.87.3',
    lmdb: '3.0.0',
    otel: '1.9.0',
    compilers: ['4.7.4', '5.0.4'],
    withNode: '5.9.3',
  },
  {
    age: 'newest',
    rxjs: '7',
    openai: '7',
    lmdb: '3',
    otel: '1',
    compilers: ['6.0.3', '7.0.2'],
    withNode: '6.0.3',
  },
] as const;

/** Every major of the SDK. Of 4, this is the first that has the Responses API as it is now. */
const openaiVersions = ['4.87.3', '4', '5', '6', '7'];

/** The majors of the AI SDK, with the provider that goes with each. Of 7 npm says that it needs Node 22; it runs on 20. */
const aiVersions = [
  ['6', '3'],
  ['7', '4'],
] as const;

const compilers = [...new Set(ages.flatMap(({ compilers, withNode }) => [...compilers, withNode]))];

const results = { passed: 0, failed: 0, skipped: 0 };

void main();

async function main(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'rxllm-matrix-'));
  try {
    const tarball = await pack(home);
    const oldNode = await installNode(join(home, 'node'));
    const typescripts = join(home, 'typescript');
    const typescriptOf = (version: string) => join(typescripts, 'node_modules', aliasOf(version));
    await install(
      typescripts,
      compilers.map((version) => `${aliasOf(version)}@npm:typescript@${version}`),
    );
    for (const { age, rxjs, openai, lmdb, otel, compilers, withNode } of ages) {
      const bare = join(home, age);
      await install(bare, [tarball, `rxjs@${rxjs}`]);
      await runEverywhere(`rxjs ${rxjs}`, bare, oldNode);
      for (const version of compilers) {
        const compiler = { typescript: typescriptOf(version), lib: ['ES2022', 'DOM'] };
        await compileAndRun(`rxjs ${rxjs}, TypeScript ${version}`, bare, compiler, 'program.ts', expected);
      }

      const full = join(home, `${age}-peers`);
      await install(full, [
        tarball,
        `rxjs@${rxjs}`,
        `openai@${openai}`,
        `lmdb@${lmdb}`,
        `@opentelemetry/api@${otel}`,
        '@types/node@20',
      ]);
      const compiler = { typescript: typescriptOf(withNode), lib: ['ES2022'], types: ['node'] };
      const title = `rxjs ${rxjs}, TypeScript ${withNode} with the types of Node, openai ${openai}, lmdb ${lmdb}`;
      await compileAndRun(title, full, compiler, 'peers-program.ts', expectedWithPeers);
    }
    for (const version of openaiVersions) {
      const folder = join(home, `openai-${version}`);
      await install(folder, [tarball, 'rxjs@7', `openai@${version}`, '@types/node@20']);
      const compiler = {
        typescript: typescriptOf('6.0.3'),
        lib: ['ES2022', 'DOM'],
        types: ['node'],
        // Without it the fetch of 4 is that of a package.
        ...(version.startsWith('4') && { prelude: "import 'openai/shims/web';" }),
      };
      await compileAndRun(`openai ${version}`, folder, compiler, 'openai-program.ts', expectedOfOpenAI);
    }
    for (const [version, provider] of aiVersions) {
      const folder = join(home, `ai-${version}`);
      const packages = [tarball, 'rxjs@7', `ai@${version}`, `@ai-sdk/openai@${provider}`, 'zod@4'];
      await install(folder, [...packages, '@types/node@20']);
      const compiler = {
        typescript: typescriptOf('6.0.3'),
        lib: ['ES2022', 'DOM'],
        types: ['node'],
        // Its own types do not pass.
        checksLibraries: false,
      };
      await compileAndRun(`ai ${version}`, folder, compiler, 'ai-program.ts', expectedOfAI);
    }
  } catch (error) {
    if (!(await isOffline())) {
      throw error;
    }
    results.skipped++;
    process.stderr.write(
      'NOT TESTED: npm reaches no registry here, so the package cannot be installed anywhere.\n',
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  const { passed, failed, skipped } = results;
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  process.exitCode = Number(failed > 0);
}

/** The programs, built by the tools of this repository, on this Node and on the oldest. */
async function runEverywhere(title: string, folder: string, oldNode: string | undefined): Promise<void> {
  for (const flavour of ['esm', 'commonjs', 'bundler'] as const) {
    const files = await makeProject(folder, `run-${flavour}`, flavour, 'program.ts');
    for (const [version, node] of [
      [process.versions.node, process.execPath],
      [oldestNode, oldNode],
    ] as const) {
      await record(`${title}, ${flavour}, runs on Node ${version}`, async () => {
        if (node === undefined) {
          return 'skipped';
        }
        for (const file of files) {
          expectEqual(await output(file, node), expected);
        }
        return 'passed';
      });
    }
  }
}

/** Type-checked strictly, with the types of all libraries, and run. */
async function compileAndRun(
  title: string,
  folder: string,
  compiler: Compiler,
  program: string,
  wanted: unknown,
): Promise<void> {
  for (const flavour of ['nodenext', 'bundler'] as const) {
    if (flavour === 'bundler' && compiler.typescript.endsWith('-4.7.4')) {
      continue;
    }
    await record(`${title}, ${flavour}`, async () => {
      const name = `${basename(compiler.typescript)}-${flavour}`;
      for (const file of await makeProject(folder, name, flavour, program, compiler)) {
        expectEqual(await output(file), wanted);
      }
      return 'passed';
    });
  }
}

async function record(title: string, check: () => Promise<'passed' | 'skipped'>): Promise<void> {
  try {
    const result = await check();
    results[result]++;
    process.stdout.write(`${result.padEnd(8)}${title}\n`);
  } catch (error) {
    results.failed++;
    process.stdout.write(`failed  ${title}\n`);
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
}

function expectEqual(found: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(found, wanted)) {
    throw new Error(`Expected ${JSON.stringify(wanted)}, but it printed ${JSON.stringify(found)}`);
  }
}

/** The oldest Node, which npm has as a package for each kind of machine; undefined where it has none for this one. */
async function installNode(folder: string): Promise<string | undefined> {
  const name = `node-${process.platform}-${process.arch}`;
  try {
    await install(folder, [`${name}@${oldestNode}`]);
    const path = join(folder, 'node_modules', name, 'bin/node');
    return existsSync(path) ? path : undefined;
  } catch {
    process.stderr.write(
      `NOT TESTED: npm has no Node ${oldestNode} for ${process.platform} on ${process.arch}.\n`,
    );
    return undefined;
  }
}

function aliasOf(version: string): string {
  return `typescript-${version}`;
}
