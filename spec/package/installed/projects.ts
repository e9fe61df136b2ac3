import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import ts from 'typescript';
import { root } from '../built';

const execute = promisify(execFile);

/** As on a machine of a user: without what npm and jest tell the programs that they start about this repository. */
const environment: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(?:npm_(?:package|lifecycle)_|npm_config_(?:local_prefix|engine_strict|save_exact)$|NODE_(?:ENV|OPTIONS|PATH)$|JEST_|TS_)/i.test(
        name,
      ),
  ),
);

/** Runs a program to its end; returns what it printed, or throws with that and what it complained of. */
export async function run(
  command: string,
  commandArguments: readonly string[],
  cwd: string,
): Promise<string> {
  try {
    const { stdout } = await execute(command, [...commandArguments], {
      cwd,
      env: environment,
      maxBuffer: 2 ** 26,
      timeout: 300_000,
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    const said = [stdout, stderr].filter(Boolean).join('\n').trim();
    const line = [command, ...commandArguments].join(' ');
    throw new Error(`${line} failed in ${cwd}:\n${said || String(error)}`, { cause: error });
  }
}

/** Packs the package from its sources in a folder of its own; returns the path of the tarball. */
export async function pack(folder: string): Promise<string> {
  const source = join(folder, 'source');
  mkdirSync(source, { recursive: true });
  for (const name of [
    'lib',
    'docs',
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'llms.txt',
    'tsconfig.json',
    'tsdown.config.ts',
  ]) {
    cpSync(join(root, name), join(source, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'));
  // It builds first: the package's own script `prepack` does.
  const printed = await run(
    'npm',
    ['pack', '--json', '--foreground-scripts=false', '--pack-destination', folder],
    source,
  );
  const [{ filename }] = JSON.parse(printed) as [{ filename: string }];
  return join(folder, filename);
}

/** Whether npm reaches no registry here. To be asked after something failed: what was fetched before needs none. */
export async function isOffline(): Promise<boolean> {
  try {
    await run('npm', ['view', 'rxjs@7.8.0', 'name', '--prefer-online', '--fetch-retries=0'], root);
    return false;
  } catch (error) {
    return /\b(?:ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH)\b/.test(String(error));
  }
}

/** Installs packages into a new folder. */
export async function install(folder: string, packages: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true }));
  await run(
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-save', '--loglevel=error', ...packages],
    folder,
  );
}

/** How a project is made: JavaScript as it stands, TypeScript for Node, or TypeScript for a bundler. */
export type Flavour = 'esm' | 'commonjs' | 'nodenext' | 'bundler';

export interface Compiler {
  /** The folder of a typescript package. */
  readonly typescript: string;
  readonly lib: readonly string[];
  /** Packages of `@types`; none by default. */
  readonly types?: readonly string[];
  /** Whether the types of all libraries are checked too. Default true. */
  readonly checksLibraries?: boolean;
  /** A line before the program, for a library that is asked so for its other types. */
  readonly prelude?: string;
}

/** The compiler of this repository, for a project without the types of Node. */
export const ownCompiler: Compiler = {
  typescript: join(root, 'node_modules/typescript'),
  lib: ['ES2022', 'DOM'],
};

/**
 * Makes a project of a flavour beside the `node_modules` of `folder`, from a program of this folder; type-checks and
 * builds it. Returns the files that can be run.
 */
export async function makeProject(
  folder: string,
  name: string,
  flavour: Flavour,
  program: string,
  compiler = ownCompiler,
): Promise<string[]> {
  const project = join(folder, name);
  mkdirSync(project, { recursive: true });
  const text = readFileSync(join(root, 'spec/package/installed', program), 'utf8');
  const source = [compiler.prelude, text].filter(Boolean).join('\n');
  switch (flavour) {
    case 'esm':
      return [write(project, 'module', 'program.js', transpiled(source, ts.ModuleKind.ESNext))];
    case 'commonjs':
      return [write(project, 'commonjs', 'program.js', transpiled(source, ts.ModuleKind.CommonJS))];
    case 'nodenext': {
      write(project, 'module', 'program.mts', source);
      write(project, 'module', 'program.cts', source);
      await compile(project, { module: 'nodenext', moduleResolution: 'nodenext', outDir: 'out' }, compiler);
      return [join(project, 'out/program.mjs'), join(project, 'out/program.cjs')];
    }
    case 'bundler': {
      const entry = write(project, 'module', 'program.ts', source);
      await compile(project, { module: 'esnext', moduleResolution: 'bundler', noEmit: true }, compiler);
      const outfile = join(project, 'out/program.mjs');
      await build({
        entryPoints: [entry],
        outfile,
        bundle: true,
        minify: true,
        format: 'esm',
        target: 'es2022',
        platform: 'node',
        external: ['lmdb'],
        // As users do for packages that require modules of Node, such as those of openai 4.
        banner: {
          js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
        },
        logLevel: 'silent',
      });
      return [outfile];
    }
  }
}

/** Runs a file of a project; returns the JSON that it printed. */
export async function output(file: string, node = process.execPath): Promise<unknown> {
  return JSON.parse(await run(node, [file], dirname(file))) as unknown;
}

function write(project: string, type: string, file: string, text: string): string {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true, type }));
  writeFileSync(join(project, file), text);
  return join(project, file);
}

function transpiled(source: string, module: ts.ModuleKind): string {
  const compilerOptions = { module, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}

async function compile(
  project: string,
  options: object,
  { typescript, lib, types = [], checksLibraries = true }: Compiler,
): Promise<void> {
  const compilerOptions = {
    target: 'es2022',
    lib,
    types,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: !checksLibraries,
    esModuleInterop: true,
    forceConsistentCasingInFileNames: true,
    ...('outDir' in options && { rootDir: '.' }),
    ...options,
  };
  const files = ['*.ts', '*.mts', '*.cts'];
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: files }));
  await run(process.execPath, [join(typescript, 'bin/tsc'), '-p', '.'], project);
}
