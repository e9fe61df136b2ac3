import type { Verdict } from './section';

/** A figure that may not lie above a bound; one that is no number misses it. */
export function atMost(what: string, value: number, bound: number, digits: number, unit: string): Verdict {
  return {
    what,
    measured: figure(value, digits, unit),
    bound: `at most ${bound.toLocaleString('en')} ${unit}`,
    isKept: value <= bound,
  };
}

/** A figure that may not lie below a bound; one that is no number misses it. */
export function atLeast(what: string, value: number, bound: number, digits: number, unit: string): Verdict {
  return {
    what,
    measured: figure(value, digits, unit),
    bound: `at least ${bound.toLocaleString('en')} ${unit}`,
    isKept: value >= bound,
  };
}

/** A figure that must be just this, as it is printed. */
export function exactly(what: string, measured: string, bound: string): Verdict {
  return { what, measured, bound, isKept: measured === bound };
}

function figure(value: number, digits: number, unit: string): string {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return Number.isNaN(value) ? 'not measured' : `${value.toLocaleString('en', format)} ${unit}`;
}
