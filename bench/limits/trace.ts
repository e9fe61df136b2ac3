import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { CannotRunError } from '../shared/cannot-run-error';
import type { Shape } from './shape';
import { recordedArrivals } from './shapes';

/**
 * Reads arrivals recorded at a real service: a CSV with the columns TIMESTAMP, ContextTokens and GeneratedTokens.
 * @throws CannotRunError if it cannot be read or holds something else
 */
export function readTrace(path: string): Shape {
  const rows = rowsOf(path).map((row, index) => {
    const at = Date.parse(`${(row['TIMESTAMP'] ?? '').slice(0, 23).replace(' ', 'T')}Z`);
    const input = Number(row['ContextTokens'] || NaN);
    const output = Number(row['GeneratedTokens'] || NaN);
    if (!(at >= 0 && input >= 0 && output >= 0)) {
      throw new CannotRunError(
        `${path}, record ${index + 1}: expected TIMESTAMP, ContextTokens and GeneratedTokens`,
      );
    }
    return { at, input, output };
  });
  const start = rows.reduce((earliest, { at }) => Math.min(earliest, at), Infinity);
  rows.sort((one, other) => one.at - other.at);
  if (rows.length === 0) throw new CannotRunError(`${path} holds no records`);
  return recordedArrivals(
    rows.map(({ at }) => at - start),
    rows,
  );
}

function rowsOf(path: string): Record<string, string>[] {
  try {
    return parse(readFileSync(path, 'utf8'), { columns: true, skip_empty_lines: true, bom: true });
  } catch (error) {
    throw new CannotRunError(`${path} cannot be read: ${(error as Error).message.split('\n')[0] ?? ''}`);
  }
}
