import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const root = join(__dirname, '..');

/** The TypeScript examples of a page, each a module of its own. */
function examplesOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
}

function problemsOf(examples: readonly string[]): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const sources = new Map(examples.map((code, index) => [join(root, `example-${index + 1}.ts`), code]));
  const onDisk = ts.createCompilerHost(options);
  host.getSourceFile = (name, target, ...rest) => {
    const code = sources.get(name);
    return code === undefined
      ? onDisk.getSourceFile(name, target, ...rest)
      : ts.createSourceFile(name, code, target);
  };
  host.fileExists = (name) => sources.has(name) || onDisk.fileExists(name);
  const program = ts.createProgram([...sources.keys()], { ...options, noUnusedLocals: false }, host);
  return [...sources.keys()].flatMap((name) =>
    program
      .getSemanticDiagnostics(program.getSourceFile(name))
      .map((problem) => `${name}: ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`),
  );
}

describe('examples', () => {
  it.each([
    ['README.md', 3],
    ['docs/caching.md', 3],
    ['docs/errors.md', 0],
    ['docs/clients.md', 1],
    ['docs/streams.md', 2],
    ['docs/fleet.md', 2],
    ['docs/live.md', 2],
  ])(
    'of %s all compile against the library',
    (page, atLeast) => {
      const examples = examplesOf(page);
      expect(examples.length).toBeGreaterThan(atLeast);
      expect(problemsOf(examples)).toEqual([]);
    },
    60_000,
  );
});
