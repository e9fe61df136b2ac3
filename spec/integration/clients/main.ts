import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';
import { classifyError } from '../../../lib/provider/classify-error';
import { meaningOfFailure } from '../../../lib/provider/meaning-of-failure';
import { clients, type Client } from './clients';
import { failures, startFailing, type Failure } from './failures';

/** What each failure means, by client: a kind and a wait, or `answer` if the client takes it for one. */
export type Table = Record<string, Record<Failure, string>>;

async function meaningOf(client: Client, url: string): Promise<string> {
  try {
    await client(url);
    return 'answer';
  } catch (error) {
    const { kind, retryAfter } = meaningOfFailure(error, classifyError, Date.now());
    return retryAfter === undefined ? kind : `${kind} ${retryAfter / 1000} s`;
  }
}

async function measured(): Promise<Table> {
  const server = await startFailing();
  // What a client loads with its first call must not count against its timeout.
  for (const client of Object.values(clients)) {
    await meaningOf(client, server.addressOf('status 500'));
  }
  const columns = Object.entries(clients).map(async ([name, client]): Promise<[string, Table[string]]> => {
    const cells = new Map<string, string>();
    for (const failure of failures) {
      cells.set(failure, await meaningOf(client, server.addressOf(failure)));
    }
    return [name, Object.fromEntries(cells) as Table[string]];
  });
  const table = Object.fromEntries(await Promise.all(columns));
  server.close();
  return table;
}

/** The table as the page holds it. */
function markdownOf(table: Table): string {
  const names = Object.keys(table);
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(['', ...names.map((name) => `\`${name}\``)]),
    row(['', ...names].map(() => '---')),
    ...failures.map((failure) => row([failure, ...names.map((name) => table[name]![failure])])),
  ].join('\n');
}

// A proxy would answer in place of the server.
for (const name of Object.keys(process.env)) {
  if (/_proxy$/i.test(name)) {
    Reflect.deleteProperty(process.env, name);
  }
}
// Clients may say what they like, but the table alone is read.
console.log = () => undefined;

const table = await measured();
if (process.argv.includes('--write')) {
  const page = fileURLToPath(new URL('../../../docs/errors.md', import.meta.url));
  const [before, , after] = readFileSync(page, 'utf8').split(/(?<=<!-- table -->)|(?=<!-- end of table -->)/);
  const text = `${before}\n\n${markdownOf(table)}\n\n${after}`;
  const options = await prettier.resolveConfig(page);
  writeFileSync(page, await prettier.format(text, { ...options, parser: 'markdown' }));
} else {
  process.stdout.write(JSON.stringify(table));
}
process.exit(0);
