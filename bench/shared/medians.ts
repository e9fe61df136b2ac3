/** How long one operation of a contender took. */
export interface Timing {
  readonly name: string;
  /** Microseconds an operation: the median of the rounds. */
  readonly microseconds: number;
  /** Microseconds an operation in each round, which is itself a median. */
  readonly rounds: readonly number[];
}

/** The median over the rounds of how many times as long one took as the other in the same round. */
export function ratioOf(one: Timing, other: Timing): number {
  return median(one.rounds.map((time, round) => time / other.rounds[round]!));
}

/** The median over the rounds of how much longer one took than the other in the same round, in microseconds. */
export function differenceOf(one: Timing, other: Timing): number {
  return median(one.rounds.map((time, round) => time - other.rounds[round]!));
}

/** The middle value; the mean of the two in the middle where there are two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
