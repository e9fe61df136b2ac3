const realTime = process.hrtime.bigint.bind(process.hrtime);

/** Milliseconds of real time since `since`, or since some moment, also where other clocks are virtual. */
export function realMilliseconds(since = 0): number {
  return Number(realTime() / 1_000n) / 1_000 - since;
}
