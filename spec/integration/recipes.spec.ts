import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import ts from 'typescript';
import { Endpoint, text } from '../clients/endpoint';
import { hasRedis, RedisServer } from '../redis/redis-server';

jest.setTimeout(30_000);

const readme = readFileSync(join(__dirname, '../../README.md'), 'utf8');
const root = process.cwd();
const directory = mkdtempSync(join(tmpdir(), 'rxllm-recipes-'));
const environment = process.env;
let endpoint: Endpoint;

beforeAll(async () => {
  process.chdir(directory);
  endpoint = await Endpoint.start();
  process.env = {
    ...environment,
    OLLAMA_URL: `${endpoint.url}/v1/chat/completions`,
    OPENAI_API_KEY: 'none',
    OPENAI_BASE_URL: `${endpoint.url}/v1`,
    ANTHROPIC_API_KEY: 'none',
    ANTHROPIC_BASE_URL: endpoint.url,
  };
});
beforeEach(() => {
  endpoint.seen.length = 0;
});
afterAll(async () => {
  process.chdir(root);
  process.env = environment;
  await endpoint.close();
  rmSync(directory, { recursive: true, force: true });
});

/** The examples under a heading of the README. */
function examplesUnder(heading: string): string[] {
  const section = readme.split(/^#+ /m).filter((part) => part.startsWith(`${heading}\n`));
  return section.flatMap((part) => [...part.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!));
}

/** The function that makes asynchronous functions of texts. */
const { constructor: AsyncFunction } = Object.getPrototypeOf(printedBy) as {
  constructor: new (...texts: string[]) => (...values: unknown[]) => Promise<void>;
};

/** Runs an example as it stands, until it has printed so many lines; returns them. */
async function printedBy(example: string, lines: number): Promise<string[]> {
  const compilerOptions = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    esModuleInterop: true,
  };
  const { outputText } = ts.transpileModule(example, { compilerOptions });
  const printed: string[] = [];
  const output = {
    log: (...values: unknown[]) => printed.push(values.join(' ')),
    assert: (isTrue: boolean) => expect(isTrue).toBe(true),
  };
  await new AsyncFunction('require', 'exports', 'console', outputText)(require, {}, output);
  while (printed.length < lines) {
    await pause(5);
  }
  return printed;
}

describe('the README', () => {
  it.each([
    ['Promises', ['15 letters']],
    ['Ollama, or plain fetch', [text]],
    ['OpenAI, in a stream', [text, text]],
    ['Anthropic, with the code that you have', [text]],
    ['AI SDK', [text]],
    ['A batch that resumes', ['2 answers, 2 calls']],
    ['Several models', [text, text]],
    ['Tenants', ['2 calls']],
  ])('has an example under "%s" that runs', async (heading, lines) => {
    const [example, ...others] = examplesUnder(heading);
    expect(others).toEqual([]);
    expect(await printedBy(example!, lines.length)).toEqual(lines);
  });

  it('has a batch that pays nothing again', async () => {
    const [example] = examplesUnder('A batch that resumes');
    expect(await printedBy(example!, 1)).toEqual(['2 answers, 0 calls']);
    expect(endpoint.seen).toEqual([]);
  });

  it('has several models, of which one answers in place of the other', async () => {
    endpoint.script.push({ status: 400 }, { status: 400 });
    const [example] = examplesUnder('Several models');
    expect(await printedBy(example!, 2)).toEqual([text, text]);
    expect(endpoint.seen.map(({ body }) => (JSON.parse(body) as { model: string }).model)).toEqual([
      'gpt-4o-mini',
      'gpt-4o-mini',
      'gpt-4o',
      'gpt-4o',
    ]);
  });

  it('has a stream in which the third question shares the call of the first', async () => {
    const [example] = examplesUnder('Streams');
    expect(await printedBy(example!, 3)).toEqual(Array(3).fill(expect.stringContaining('[object Object]')));
  });

  it('has marble tests that hold', async () => {
    const examples = examplesUnder('Marble tests');
    expect(examples).toHaveLength(2);
    // One comparison in the first example, one statement in the second.
    expect.assertions(1 + 2);
    for (const example of examples) {
      await printedBy(example, 0);
    }
  });

  (hasRedis ? it : it.skip)('has an example under "Several processes" that runs', async () => {
    const server = await RedisServer.start();
    process.env['REDIS_URL'] = server.url;
    const [example] = examplesUnder('Several processes');
    expect(await printedBy(example!, 1)).toEqual([text]);
    await server.kill();
  });
});
