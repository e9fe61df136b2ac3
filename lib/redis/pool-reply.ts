import type { FleetCost } from '../core/fleet';

/** A limit of the pool that is a bucket: name, index of what it counts, limit, window, depth, level, milliseconds until it is full at once (-1: by and by). */
export type PoolBucket = readonly [string, number, number, number, number, number, number];

/** A limit of the user's: its name, and what leaves its window when: milliseconds, amount. */
export type PoolWindow = readonly [string, readonly (readonly [number, number])[]];

/** What the pool answers a member. */
export interface PoolReply {
  /** Milliseconds on the clock of the fleet. */
  readonly now: number;
  /** Tells a pool from one that was lost. */
  readonly era: number;
  /** Milliseconds from now at which calls may start. */
  readonly grants: readonly number[];
  /** All that was granted before. */
  readonly mark: FleetCost;
  /** Milliseconds until the next call of this member may start. */
  readonly ask: number;
  /** What held it. */
  readonly gate: string;
  readonly members: number;
  /** Milliseconds. */
  readonly hold: number;
  readonly b: readonly PoolBucket[];
  readonly w: readonly PoolWindow[];
}

/**
 * Reads an answer of the pool; 'again' if the pool was lost.
 *
 * @throws TypeError for anything else
 */
export function poolReplyOf(text: unknown): PoolReply | 'again' {
  const fields = JSON.parse(String(text)) as PoolReply & { again?: boolean };
  if (fields.again) {
    return 'again';
  }
  if (typeof fields.now !== 'number') {
    throw new TypeError(`The script of the pool answered ${String(text)}.`);
  }
  // Lua tells an empty list from an empty object only by what is in it.
  const windows = listOf(fields.w).map(([name, groups]): PoolWindow => [name, listOf(groups)]);
  return { ...fields, grants: listOf(fields.grants), b: listOf(fields.b), w: windows };
}

function listOf<T>(list: readonly T[]): readonly T[] {
  return Array.isArray(list) ? (list as readonly T[]) : [];
}
