/** A source of numbers from 0 (included) to 1 (excluded). */
export type Random = () => number;

/** Random numbers that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * A log-normal factor whose mean is 1: mostly near 1, now and then much larger, as the latency of a model is.
 * Always draws two numbers, so that changing the spread does not change what is drawn afterwards.
 * @param spread sigma of the logarithm; 0 always gives 1
 */
export function logNormalFactor(random: Random, spread: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.exp(spread * normal - (spread * spread) / 2);
}
