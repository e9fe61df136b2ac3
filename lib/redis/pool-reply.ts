import type { FleetCost } from '../core/fleet';

/**
 * A bucket of the pool: name, index of what it counts, limit, window, depth, level, milliseconds until it is full at
 * once (-1 if it refills gradually).
 */
export type PoolBucket = readonly [string, number, number, number, number, number, number];

/** A limit of the user: its name, and the amounts that leave its window: milliseconds, amount. */
export type PoolWindow = readonly [string, readonly (readonly [number, number])[]];

/** The pool's answer to a member. */
export interface PoolReply {
  /** Milliseconds on the clock of the fleet. */
  readonly now: number;
  /** Identifies the pool; a pool made after a loss has another era. */
  readonly era: number;
  /** Milliseconds from now at which calls may start. */
  readonly grants: readonly number[];
  /** The sum of all earlier grants. */
  readonly mark: FleetCost;
  /** Milliseconds until the next call of this member may start. */
  readonly ask: number;
  /** The name of the limit that held it. */
  readonly gate: string;
  readonly members: number;
  /** Milliseconds of a hold. */
  readonly hold: number;
  readonly b: readonly PoolBucket[];
  readonly w: readonly PoolWindow[];
}

/**
 * Reads an answer of the pool; 'again' if the pool was lost.
 *
 * @throws TypeError for any other answer
 */
export function poolReplyOf(text: unknown): PoolReply | 'again' {
  const fields = JSON.parse(String(text)) as PoolReply & { again?: boolean };
  if (fields.again) {
    return 'again';
  }
  if (typeof fields.now !== 'number') {
    throw new TypeError(`The script of the pool answered ${String(text)}.`);
  }
  // Lua has no empty list apart from an empty object.
  const windows = listOf(fields.w).map(([name, groups]): PoolWindow => [name, listOf(groups)]);
  return { ...fields, grants: listOf(fields.grants), b: listOf(fields.b), w: windows };
}

function listOf<T>(list: readonly T[]): readonly T[] {
  return Array.isArray(list) ? (list as readonly T[]) : [];
}
