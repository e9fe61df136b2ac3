import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { faces, specifierOf } from '../package/built';
import { expected } from '../package/installed/expected';
import {
  install,
  isOffline,
  makeProject,
  output,
  pack,
  run,
  type Flavour,
} from '../package/installed/projects';

jest.setTimeout(300_000);

const home = mkdtempSync(join(tmpdir(), 'rxllm-installed-'));
const installed = join(home, 'node_modules/rxllm');
let isInstalled = false;

beforeAll(async () => {
  const tarball = await pack(home);
  try {
    await install(home, [tarball, 'rxjs@7']);
    isInstalled = true;
  } catch (error) {
    if (!(await isOffline())) {
      throw error;
    }
    console.warn(
      'NOT TESTED: npm reaches no registry here, so the package cannot be installed into a project.',
    );
  }
});
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

/** A spec that needs the package installed; it says nothing where it cannot be. */
const itInstalled = (name: string, check: () => Promise<void> | void) =>
  it(name, async () => {
    if (isInstalled) {
      await check();
    }
  });

describe('the package, packed and installed', () => {
  const flavours: readonly [Flavour, string][] = [
    ['esm', 'JavaScript that imports'],
    ['commonjs', 'JavaScript that requires'],
    ['nodenext', 'TypeScript for Node, both kinds of file'],
    ['bundler', 'TypeScript for a bundler, bundled'],
  ];
  for (const [flavour, name] of flavours) {
    itInstalled(`runs in ${name}`, async () => {
      const files = await makeProject(home, flavour, flavour, 'program.ts');
      expect(files.length).toBeGreaterThan(0);
      for (const file of files) {
        expect(await output(file)).toEqual(expected);
      }
    });
  }

  itInstalled('gives every face to import and require, without the optional peers', async () => {
    // rxllm/otel is nothing without its peer.
    const alone = faces.filter((face) => face !== 'otel');
    const names = JSON.stringify(alone.map(specifierOf));
    const keys = 'console.log(JSON.stringify(all.map((face) => Object.keys(face).sort())));';
    const imported = `const all = await Promise.all(${names}.map((name) => import(name))); ${keys}`;
    const required = `const all = ${names}.map((name) => require(name)); ${keys}`;
    const byImport = await run(process.execPath, ['--input-type=module', '-e', imported], home);
    const byRequire = await run(process.execPath, ['--input-type=commonjs', '-e', required], home);
    expect(JSON.parse(byRequire)).toEqual(JSON.parse(byImport));
    expect(JSON.parse(byImport)).toEqual(
      alone.map(() => expect.arrayContaining([expect.any(String)]) as unknown),
    );
  });

  itInstalled('gives no path to what is inside', async () => {
    const inside = `import('rxllm/dist/index.mjs').catch((error) => console.log(error.code));`;
    expect((await run(process.execPath, ['-e', inside], home)).trim()).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  itInstalled('holds what a user needs and nothing of ours', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    expect(files).toEqual(
      expect.arrayContaining(['README.md', 'LICENSE', 'CHANGELOG.md', 'llms.txt', 'package.json']),
    );
    const folders = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]));
    expect([...folders].sort()).toEqual(['dist', 'docs']);
  });

  itInstalled('has source maps that hold their sources, which are not shipped', () => {
    const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.[mc][jt]s$/.test(file),
    );
    let maps = 0;
    for (const file of files) {
      const path = join(installed, 'dist', file);
      const [, map] = /\/\/# sourceMappingURL=(\S+)/.exec(readFileSync(path, 'utf8')) ?? [];
      if (map !== undefined) {
        maps++;
        const mapPath = join(dirname(path), map);
        expect([mapPath, existsSync(mapPath)]).toEqual([mapPath, true]);
        const { sources, sourcesContent } = JSON.parse(readFileSync(mapPath, 'utf8')) as {
          sources: string[];
          sourcesContent?: (string | null)[];
        };
        expect(sourcesContent?.filter(Boolean)).toHaveLength(sources.length);
      }
    }
    expect(maps).toBeGreaterThan(0);
  });

  itInstalled('imports nothing but its dependencies and its peers', () => {
    const { dependencies, peerDependencies } = JSON.parse(
      readFileSync(join(installed, 'package.json'), 'utf8'),
    ) as Record<'dependencies' | 'peerDependencies', Record<string, string>>;
    // The annexes import the package by its own name.
    const allowed = ['rxllm', ...Object.keys(dependencies), ...Object.keys(peerDependencies)];
    const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
    const code = files.filter((file) => /\.(?:[mc]js|d\.[mc]ts)$/.test(file));
    const imported = code.flatMap((file) => {
      const text = readFileSync(join(installed, 'dist', file), 'utf8');
      return [
        ...text.matchAll(/^(?:import|export) .*?from "([^".][^"]*)"|\brequire\("([^".][^"]*)"\)/gm),
      ].map((match) => [file, (match[1] ?? match[2])!] as const);
    });
    expect(imported.length).toBeGreaterThan(4);
    const others = imported.filter(
      ([, name]) => !allowed.some((one) => name === one || name.startsWith(`${one}/`)),
    );
    // What needs Node stands behind rxllm/disk and rxllm/live.
    const unexpected = others.filter(
      ([file, name]) => !(name.startsWith('node:') && /^(?:disk|live)\.(?:[mc]js|d\.[mc]ts)$/.test(file)),
    );
    expect(unexpected).toEqual([]);
  });
});
