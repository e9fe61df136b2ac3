import { day, hour, minute } from './durations';

/** What a provider says about when a limit is full again. */
export interface StatedReset {
  /** Milliseconds. */
  readonly milliseconds: number;
  /** Milliseconds by which rounding may have changed it. */
  readonly precision: number;
  /** As it was written: a count without a unit may be mistaken, and a moment says nothing of how it was reckoned. */
  readonly form: 'duration' | 'count' | 'moment';
}

/** The figures of one limit as they were read. */
export interface StatedFigures {
  readonly limit: number;
  readonly remaining: number | undefined;
  readonly reset: StatedReset | undefined;
}

/** Resets are reckoned a moment before or after what remains. */
const fits = (figure: number, window: number, tolerance: number): boolean =>
  Math.abs(figure / window - 1) <= tolerance;

const isWithin = ({ milliseconds, precision }: StatedReset, window: number): boolean =>
  milliseconds <= 1.02 * window + precision;

/**
 * The window that a limit's name does not tell. A bucket that refills continuously is full in (limit - remaining) /
 * rate, so the figures do: Groq's `-requests` headers are per day although they are named like OpenAI's per minute. A
 * reset longer than a minute is no minute's, however it is written; a shorter one may be what is left of a fixed minute,
 * which looks like a day's every now and then, and so is taken for a day's only where the figures fit exactly. Undefined
 * where nothing fits.
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

/** The reset of a limit whose window is known; undefined where the other figures contradict it. */
export function resetWithin(window: number, { limit, remaining, reset }: StatedFigures): number | undefined {
  if (!reset || !isWithin(reset, window)) {
    return undefined;
  }
  const { milliseconds, precision, form } = reset;
  const refill = remaining === undefined ? 0 : ((limit - remaining) / limit) * window;
  // Azure has been seen to answer 0 beside an empty budget.
  if (milliseconds === 0 && refill > 2 * precision) {
    return undefined;
  }
  // GitHub Models counts milliseconds where Azure, under the same name, counts seconds.
  const asMilliseconds = milliseconds / 1000;
  const isOtherUnit =
    form === 'count' &&
    milliseconds > 0 &&
    Math.abs(milliseconds - refill) > precision &&
    Math.abs(asMilliseconds - refill) <= 1;
  return isOtherUnit ? undefined : milliseconds;
}

/** What a window other than a minute adds to the name of a limit. */
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
