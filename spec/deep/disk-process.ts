/** A process of its own for the specs of the disk store: `disk-process.ts <what it does> <directory>`. */
import { writeSync } from 'node:fs';
import { diskStore } from '../../lib/disk';
import { seedOf, wholeText, writeAndRead, type Message } from './disk-texts';

const roles: Readonly<Record<string, (directory: string) => Promise<void>>> = {
  /** Writes 10,000 entries, and prints each key when it was acknowledged. */
  async write(directory) {
    const store = diskStore(directory);
    let index = 0;
    const write = async (): Promise<void> => {
      while (index < 10_000) {
        const key = `${process.pid}-${index++}`;
        await store.set(key, wholeText(key));
        writeSync(1, `${key}\n`);
      }
    };
    await Promise.all(Array.from({ length: 150 }, write));
  },

  /** Shares the directory with the process that started it. */
  async share(directory) {
    const store = diskStore(directory);
    const tell = (message: Message) => process.send!(message);
    let listing: Iterator<[key: string, text: string], void> | undefined;
    process.on('message', (message: Message) => {
      if (message.type === 'start') {
        void writeAndRead(store, 'child', 'parent', 400).then((result) =>
          tell({ type: 'written', ...result }),
        );
      } else if (message.type === 'deleted') {
        // At once: what another process has had acknowledged must be seen.
        const stillThere = message.keys.filter((key) => store.get(key) !== undefined).length;
        tell({ type: 'checked', stillThere, size: store.size, listed: [...store.iterator()].length });
        listing = store.iterator();
        listing.next();
      } else if (message.type === 'cleared') {
        const size = store.size;
        let torn = 0;
        for (let next = listing!.next(); !next.done; next = listing!.next()) {
          torn += Number(seedOf(next.value[1]) === undefined);
        }
        tell({ type: 'emptied', torn, size });
        void store.close().then(() => process.disconnect());
      }
    });
    tell({ type: 'ready' });
    return Promise.resolve();
  },

  /** Writes without waiting, and leaves an open store behind, with what will expire in an hour. */
  async leave(directory) {
    const store = diskStore(directory);
    await store.set('acknowledged', wholeText('acknowledged'), 3_600_000);
    void store.set('on its way', wholeText('on its way'));
  },

  /** Writes until that fails, and prints what became of it. */
  async fill(directory) {
    const store = diskStore(directory);
    const kept: string[] = [];
    let failures: readonly unknown[] = [];
    while (failures.length === 0) {
      const keys = Array.from({ length: 10 }, (_, index) => `k${kept.length + index}`);
      const results = await Promise.allSettled(keys.map((key) => store.set(key, wholeText(key))));
      failures = results.flatMap((result) =>
        result.status === 'rejected' ? [result.reason as unknown] : [],
      );
      kept.push(...keys.filter((_, index) => results[index]!.status === 'fulfilled'));
      for (const [index, key] of keys.entries()) {
        if ((store.get(key) !== undefined) !== (results[index]!.status === 'fulfilled')) {
          throw new Error(`${key} is not what its promise said`);
        }
      }
    }
    const [{ code, message }] = failures as [{ code: string; message: string }];
    const isWhole = kept.every((key) => seedOf(store.get(key)) === key);
    await store.close();
    console.log(JSON.stringify({ code, message, kept: kept.length, isWhole }));
  },
};

const [role, directory] = process.argv.slice(2);
await roles[role!]!(directory!);
