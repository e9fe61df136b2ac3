import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

type Column = Record<string, string>;

const root = join(__dirname, '..', '..');

/** What a person would say that each failure means. */
const understood: Column = {
  '429 with Retry-After': 'wait 7 s',
  '429 without': 'wait',
  'status 401': 'stop',
  'status 500': 'transient',
  'status 503': 'overloaded',
  'cut before the head': 'transient',
  'cut in the head': 'transient',
  'cut after the head': 'transient',
  'half of the JSON': 'transient',
  'no answer in time': 'transient',
  'a page with 200': 'transient',
  'a page with 502': 'transient',
  'nobody listens': 'transient',
  'no such name': 'transient',
};

/** These errors do not have the headers of the answer. */
const withoutHeaders: Column = { '429 with Retry-After': 'wait' };

const columns: Record<string, Column> = {
  'fetch by hand': { ...understood, ...withoutHeaders },
  'rxjs/ajax': { ...understood, 'half of the JSON': 'answer', 'a page with 200': 'answer' },
  axios: { ...understood, 'half of the JSON': 'answer', 'a page with 200': 'answer' },
  openai: { ...understood, 'a page with 200': 'answer' },
  '@anthropic-ai/sdk': { ...understood, 'a page with 200': 'answer' },
  '@google/genai': { ...understood, ...withoutHeaders },
  ollama: { ...understood, ...withoutHeaders },
  '@mistralai/mistralai': understood,
  'groq-sdk': { ...understood, 'a page with 200': 'answer' },
  'cohere-ai': { ...understood, 'half of the JSON': 'answer', 'a page with 200': 'answer' },
  ai: understood,
  // It reads a field of nothing there: a TypeError, which nobody can tell from a bug of the call.
  '@langchain/openai': { ...understood, 'a page with 200': 'unknown' },
};

/** Runs the clients in a process of their own, where they are ES modules and errors have one realm. */
function measured(): Record<string, Column> {
  const { outputFiles } = buildSync({
    entryPoints: [join(__dirname, 'clients', 'main.ts')],
    bundle: true,
    write: false,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-'], {
    cwd: root,
    input: outputFiles[0]!.text,
    encoding: 'utf8',
  });
  if (stdout === '') {
    throw new Error(`The clients told nothing.\n${stderr}`);
  }
  return JSON.parse(stdout) as Record<string, Column>;
}

/** The table of a page, by column. */
function tableOf(page: string): Record<string, Column> {
  const rows = [...page.matchAll(/^\|(.*)\|$/gm)].map(([, row]) =>
    row!.split('|').map((cell) => cell.trim()),
  );
  const [[, ...names], , ...failures] = rows as [string[], string[], ...string[][]];
  return Object.fromEntries(
    names.map((name, index) => [
      name.replaceAll('`', ''),
      Object.fromEntries(failures.map(([failure, ...cells]) => [failure, cells[index]])),
    ]),
  );
}

describe('what the errors of clients mean', () => {
  let found: Record<string, Column>;
  beforeAll(() => {
    found = measured();
  }, 60_000);

  it.each(Object.entries(columns))('is understood as a person would, of %s', (name, column) => {
    expect(found[name]).toEqual(column);
  });

  it('was measured of no other client', () => {
    expect(Object.keys(found)).toEqual(Object.keys(columns));
  });

  it('is what the page about errors says', () => {
    const page = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');
    const [, table] = /<!-- table -->([^]*)<!-- end of table -->/.exec(page)!;
    // `npm run errors:table` writes it.
    expect(tableOf(table!)).toEqual(columns);
  });
});
