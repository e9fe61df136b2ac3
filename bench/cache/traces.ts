import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CannotRunError } from '../shared/cannot-run-error';

/** Recorded accesses: one key for each. */
export interface Trace {
  readonly name: string;
  readonly keys: readonly string[];
}

const endings = /\.(txt|trace|trace\.gz)$/;

/**
 * Reads the traces of a directory: files that end in .txt, .trace or .trace.gz, with one key on each line.
 * @throws CannotRunError if there are none, or if a file holds something else
 */
export function readTraces(directory: string): Trace[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    throw new CannotRunError('The directory of --traces cannot be read');
  }
  const traces = names
    .filter((name) => endings.test(name))
    .sort()
    .map((name) => ({
      name: name.replace(endings, ''),
      keys: keysOf(readFileSync(join(directory, name)), name),
    }));
  if (traces.length === 0) {
    throw new CannotRunError('The directory of --traces holds no .txt, .trace or .trace.gz');
  }
  return traces;
}

/**
 * The keys of a trace, packed or not; empty lines are left out.
 * @throws CannotRunError if a line holds more than a key
 */
export function keysOf(content: Uint8Array, name: string): string[] {
  const isPacked = content[0] === 0x1f && content[1] === 0x8b;
  let text: string;
  try {
    text = (isPacked ? gunzipSync(content) : Buffer.from(content)).toString('utf8');
  } catch {
    throw new CannotRunError(`${name} is damaged`);
  }
  const keys = text.split(/\r?\n/).filter((line) => line !== '');
  const wrong = keys.findIndex((key) => /\s/.test(key));
  if (wrong >= 0) throw new CannotRunError(`${name} holds more than one key in line ${wrong + 1}`);
  return keys;
}
