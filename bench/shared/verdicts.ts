import type { Verdict } from './section';
import { written } from './written';

/** A figure that may not lie above a bound; one that is no number misses it. */
export function atMost(what: string, value: number, bound: number, digits: number, unit: string): Verdict {
  return {
    what,
    measured: figure(value, bound, digits, unit),
    bound: `at most ${bound.toLocaleString('en')} ${unit}`,
    isKept: value <= bound,
  };
}

/** A figure that may not lie below a bound; one that is no number misses it. */
export function atLeast(what: string, value: number, bound: number, digits: number, unit: string): Verdict {
  return {
    what,
    measured: figure(value, bound, digits, unit),
    bound: `at least ${bound.toLocaleString('en')} ${unit}`,
    isKept: value >= bound,
  };
}

/** A figure that must be just this, as it is printed. */
export function exactly(what: string, measured: string, bound: string): Verdict {
  return { what, measured, bound, isKept: measured === bound };
}

/** With as many digits more as show on which side of the bound it lies. */
function figure(value: number, bound: number, digits: number, unit: string): string {
  if (Number.isNaN(value)) return 'not measured';
  let shown = digits;
  while (shown < mostDigits && side(Number(value.toFixed(shown)), bound) !== side(value, bound)) shown += 1;
  return `${written(value, shown)} ${unit}`;
}

const mostDigits = 9;

function side(value: number, bound: number): number {
  return Math.sign(value - bound);
}
