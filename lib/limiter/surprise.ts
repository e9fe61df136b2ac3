import type { Attempt } from './attempts';

/** The chance below which refusals are no accident. */
const improbable = 0.001;

/** The share of refusals that is always expected, for races and hiccups. */
const stray = 0.002;

/** Whether the expected share does not explain so many refusals among these attempts. */
export function isSurprising(attempts: readonly Attempt[], share: number): boolean {
  const refused = attempts.filter(({ verdict }) => verdict === 'refused').length;
  // One refusal is no pattern.
  return refused >= 2 && tail(attempts.length, refused, Math.max(stray, share)) < improbable;
}

/**
 * The refusal at which the surprising series begins: the one with the greatest cumulative sum of evidence for a share
 * half way to one. Earlier refusals count as expected.
 */
export function changePoint(attempts: readonly Attempt[], share: number): Attempt {
  const expected = Math.max(stray, share);
  const raised = (1 + expected) / 2;
  let sum = 0;
  let greatest = -Infinity;
  let first = attempts.at(-1)!;
  for (const attempt of [...attempts].reverse()) {
    const isRefused = attempt.verdict === 'refused';
    sum += isRefused ? Math.log(raised / expected) : Math.log((1 - raised) / (1 - expected));
    if (isRefused && sum > greatest) {
      greatest = sum;
      first = attempt;
    }
  }
  return first;
}

/** The chance of at least so many hits (binomial). */
function tail(count: number, least: number, share: number): number {
  let term = (1 - share) ** count;
  let below = 0;
  for (let hits = 0; hits < least; hits++) {
    below += term;
    term *= ((count - hits) / (hits + 1)) * (share / (1 - share));
  }
  return 1 - below;
}
