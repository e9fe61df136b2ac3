import { createHash } from 'node:crypto';
import type { DiskStore } from '../../lib/disk';

/** A text that tells whether it is whole: what it is made from, its length and a checksum come first. */
export function wholeText(seed: string): string {
  const sum = createHash('sha256').update(seed).digest();
  const body = `${seed} `.repeat(1 + (sum.readUInt16BE(0) % (sum[2]! < 8 ? 3000 : 100)));
  return `${seed}|${body.length}|${createHash('sha256').update(body).digest('hex')}|${body}`;
}

/** What a text was made from; undefined where it is not whole. */
export function seedOf(text: string | undefined): string | undefined {
  const [seed, length, sum] = text?.split('|', 3) ?? [];
  const body = text?.slice(`${seed}|${length}|${sum}|`.length) ?? '';
  const isWhole = body.length === Number(length) && createHash('sha256').update(body).digest('hex') === sum;
  return isWhole ? seed : undefined;
}

/** What two processes over one directory tell each other. */
export type Message =
  | { readonly type: 'ready' }
  | { readonly type: 'start' }
  | {
      readonly type: 'written';
      readonly keys: readonly string[];
      readonly torn: number;
      readonly seen: number;
    }
  | { readonly type: 'deleted'; readonly keys: readonly string[] }
  | { readonly type: 'checked'; readonly stillThere: number; readonly size: number; readonly listed: number }
  | { readonly type: 'cleared' }
  | { readonly type: 'emptied'; readonly torn: number; readonly size: number };

/**
 * Writes `count` entries of its own and some that others write too, a few at a time, and reads meanwhile what others
 * write.
 */
export async function writeAndRead(store: DiskStore, own: string, other: string, count: number) {
  const keys: string[] = [];
  let torn = 0;
  let seen = 0;
  for (let from = 0; from < count; from += 20) {
    const written: Promise<void>[] = [];
    for (let index = from; index < from + 20; index++) {
      const key = `${own}-${index}`;
      keys.push(key);
      written.push(
        store.set(key, wholeText(key)),
        store.set(`both-${index % 30}`, wholeText(`${own} ${index}`)),
      );
      for (const read of [`${other}-${index}`, `both-${index % 30}`, `${other}-${index >> 1}`]) {
        const text = store.get(read);
        seen += Number(text !== undefined && read.startsWith(other));
        torn += Number(text !== undefined && seedOf(text) === undefined);
      }
    }
    await Promise.all(written);
  }
  return { keys, torn, seen };
}
