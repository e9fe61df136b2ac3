import { day, hour, minute } from './durations';

/** What a provider states about when a limit is full again. */
export interface StatedReset {
  readonly milliseconds: number;
  /** Milliseconds by which rounding may have changed it. */
  readonly precision: number;
  /** Its form: a count without a unit may be misread, and a moment does not show how it was computed. */
  readonly form: 'duration' | 'count' | 'moment';
}

/** The figures of one limit. */
export interface StatedFigures {
  readonly limit: number;
  readonly remaining: number | undefined;
  readonly reset: StatedReset | undefined;
}

/** Providers compute the reset slightly before or after the remaining amount. */
const fits = (figure: number, window: number, tolerance: number): boolean =>
  Math.abs(figure / window - 1) <= tolerance;

const isWithin = ({ milliseconds, precision }: StatedReset, window: number): boolean =>
  milliseconds <= 1.02 * window + precision;

/**
 * The window of a limit whose name does not state it. A continuous bucket is full in (limit - remaining) / rate, so the
 * figures tell. Groq's `-requests` headers are per day, although they are named like OpenAI's per minute. A reset
 * longer than a minute cannot belong to a minute. A shorter one may be the rest of a fixed minute, so it counts as a
 * day's only if the figures match exactly. Undefined if no window matches.
 */
export function windowOf({ limit, remaining, reset }: StatedFigures): number | undefined {
  if (!reset) {
    return minute;
  }
  const spent = limit - (remaining ?? limit);
  const isWithinMinute = isWithin(reset, minute);
  const refill = spent > 0 ? (reset.milliseconds * limit) / spent : 0;
  if (isWithinMinute) {
    return reset.form === 'duration' && fits(refill, day, 0.005) ? day : minute;
  }
  const fitting = [day, hour].find((window) => fits(refill, window, 0.05));
  if (fitting !== undefined) {
    return fitting;
  }
  return !isWithin(reset, hour) && isWithin(reset, day) ? day : undefined;
}

/** The reset of a limit with a known window; undefined if the other figures contradict it. */
export function resetWithin(window: number, { limit, remaining, reset }: StatedFigures): number | undefined {
  if (!reset || !isWithin(reset, window)) {
    return undefined;
  }
  const { milliseconds, precision, form } = reset;
  const refill = remaining === undefined ? 0 : ((limit - remaining) / limit) * window;
  // Azure sometimes answers 0 with an empty budget.
  if (milliseconds === 0 && refill > 2 * precision) {
    return undefined;
  }
  // GitHub Models counts milliseconds under the name for which Azure counts seconds.
  const asMilliseconds = milliseconds / 1000;
  const isOtherUnit =
    form === 'count' &&
    milliseconds > 0 &&
    Math.abs(milliseconds - refill) > precision &&
    Math.abs(asMilliseconds - refill) <= 1;
  return isOtherUnit ? undefined : milliseconds;
}

/** The suffix of a limit's name for a window other than a minute. */
export function windowSuffix(window: number): string {
  switch (window) {
    case minute:
      return '';
    case hour:
      return '-hour';
    case day:
      return '-day';
    default:
      return `-${window / 1000}s`;
  }
}
