import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { diskStore, type DiskStore, type DiskStoreConfig } from '../../lib/disk';
import { seedOf, wholeText, writeAndRead, type Message } from './disk-texts';

const home = mkdtempSync(join(tmpdir(), 'rxllm-disk-processes-'));
const program = join(__dirname, 'disk-process.ts');
const byTsx = ['--import', 'tsx'];
const opened: DiskStore[] = [];
const children: ChildProcess[] = [];
let directories = 0;

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
  }
  await Promise.all(opened.splice(0).map((store) => store.close()));
});
afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

const newDirectory = () => join(home, `store-${++directories}`);

function open(directory: string, config?: DiskStoreConfig): DiskStore {
  const store = diskStore(directory, config);
  opened.push(store);
  return store;
}

function start(role: string, directory: string, limits = ''): ChildProcess {
  const command = [process.execPath, ...byTsx, program, role, directory];
  const child = limits
    ? spawn('sh', ['-c', `${limits} && exec "$@"`, 'sh', ...command], { stdio: ['ignore', 'pipe', 'ignore'] })
    : spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a disk store that is killed', () => {
  it('has all that it acknowledged, whole, whenever it is killed', async () => {
    const directory = newDirectory();
    const everAcknowledged: string[] = [];
    let kills = 0;
    for (let round = 0; round < 4; round++) {
      const acknowledged: string[] = [];
      const last = 1 + Math.floor(Math.random() * 9000);
      const child = start('write', directory);
      createInterface(child.stdout!).on('line', (key) => {
        acknowledged.push(key);
        if (acknowledged.length === last) {
          child.kill('SIGKILL');
        }
      });
      const [, signal] = (await once(child, 'close')) as [number | null, string | null];
      kills += Number(signal === 'SIGKILL');

      const store = open(directory);
      expect(acknowledged.filter((key) => seedOf(store.get(key)) !== key)).toEqual([]);
      await store.set(`after ${round}`, wholeText(`after ${round}`));
      everAcknowledged.push(...acknowledged, `after ${round}`);
      await store.close();
    }
    const store = open(directory);
    const listed = new Map(store.iterator());
    expect([...listed].filter(([key, text]) => seedOf(text) !== key)).toEqual([]);
    expect(everAcknowledged.filter((key) => !listed.has(key))).toEqual([]);
    expect(listed.size).toBe(store.size);
    // It may be done before it is killed, but hardly every time.
    expect(kills).toBeGreaterThan(0);
  }, 60_000);
});

describe('a disk store that several processes share', () => {
  it('shows each what the other wrote and deleted, whole, and both the same in the end', async () => {
    const directory = newDirectory();
    const store = open(directory);
    const child = fork(program, ['share', directory], { execArgv: byTsx });
    children.push(child);
    const messages: Message[] = [];
    child.on('message', (message: Message) => messages.push(message));
    const heard = async <T extends Message['type']>(type: T) => {
      await until(() => messages.some((message) => message.type === type));
      return messages.find((message): message is Message & { type: T } => message.type === type)!;
    };
    await heard('ready');
    child.send({ type: 'start' } satisfies Message);
    const own = await writeAndRead(store, 'parent', 'child', 400);
    const theirs = await heard('written');
    expect([own.torn, theirs.torn, own.keys.length, theirs.keys.length]).toEqual([0, 0, 400, 400]);
    expect(own.seen + theirs.seen).toBeGreaterThan(0);

    // At once: what another process has had acknowledged must be seen.
    expect(theirs.keys.filter((key) => seedOf(store.get(key)) !== key)).toEqual([]);
    expect(store.size).toBe(830);
    for (let index = 0; index < 30; index++) {
      expect(seedOf(store.get(`both-${index}`))).toMatch(/^(parent|child) \d+$/);
    }
    const deleted = [...theirs.keys.slice(0, 200), ...own.keys.slice(0, 100)];
    expect(new Set(await Promise.all(deleted.map((key) => store.delete(key))))).toEqual(new Set([true]));
    child.send({ type: 'deleted', keys: deleted } satisfies Message);
    expect(await heard('checked')).toEqual({ type: 'checked', stillThere: 0, size: 530, listed: 530 });
    expect([store.size, [...store.iterator()].length]).toEqual([530, 530]);

    await store.clear();
    child.send({ type: 'cleared' } satisfies Message);
    expect(await heard('emptied')).toEqual({ type: 'emptied', torn: 0, size: 0 });
    await once(child, 'exit');
    expect([...store.iterator()]).toEqual([]);
  }, 30_000);
});

describe('a disk store that is left', () => {
  it('does not keep the process, which ends when all is on the disk, and is there for the next one', async () => {
    const directory = newDirectory();
    const child = start('leave', directory);
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(0);
    const store = open(directory);
    expect(['acknowledged', 'on its way'].map((key) => seedOf(store.get(key)))).toEqual([
      'acknowledged',
      'on its way',
    ]);
  }, 15_000);
});

describe('a disk store on a disk that is full', () => {
  it('rejects what it could not write, and keeps the rest', async () => {
    const child = start('fill', newDirectory(), 'ulimit -f 4000');
    let output = '';
    child.stdout!.on('data', (data: Buffer) => (output += data.toString()));
    await once(child, 'close');
    const result = JSON.parse(output.trim()) as { code: string; message: string; kept: number };
    expect(result).toMatchObject({ code: 'write-failed', isWhole: true });
    expect(result.message).toMatch(/Writing to the store in .* failed: .*Check whether the disk is full/);
    expect(result.kept).toBeGreaterThan(50);
  }, 15_000);
});

describe('the bounds of a disk store', () => {
  it('hold while three times as much is written, and become smaller in the background', async () => {
    const directory = newDirectory();
    const maxEntries = 2000;
    const maxBytes = 4 * 2 ** 20;
    const store = open(directory, { maxEntries, maxBytes });
    let written = 0;
    for (let from = 0; written < 3 * maxBytes || from < 3 * maxEntries; from += 500) {
      const texts = Array.from({ length: 500 }, (_, index) => wholeText(`k${from + index}`));
      await Promise.all(texts.map((text, index) => store.set(`k${from + index}`, text)));
      written += texts.join('').length;
      expect(store.size).toBeLessThanOrEqual(maxEntries);
      expect(store.bytes).toBeLessThanOrEqual(0.8 * maxBytes);
      expect(seedOf(store.get(`k${from + 499}`))).toBe(`k${from + 499}`);
    }
    expect(statSync(join(directory, 'data.mdb')).size).toBeLessThan(1.2 * maxBytes);

    const smaller = open(directory, { maxEntries: 50 });
    await until(() => smaller.size <= 50);
    expect(smaller.size).toBe(50);
  }, 30_000);

  it('let expired entries be taken out in the background', async () => {
    const store = open(newDirectory(), { sweepInterval: 20 });
    await Promise.all(Array.from({ length: 600 }, (_, index) => store.set(`k${index}`, 'text', 1)));
    await store.set('kept', 'text', 3_600_000);
    await until(() => store.size === 1);
    expect(store.get('kept')).toBe('text');
  }, 15_000);
});
