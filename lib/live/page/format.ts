/** A number without decimals; `∞` for none. */
export function count(value: number | null): string {
  if (value === null || value === Infinity) {
    return '∞';
  }
  return value.toLocaleString('en-GB', { maximumFractionDigits: 0 });
}

export function rate(value: number): string {
  return value >= 100 ? count(value) : value.toFixed(value >= 10 ? 0 : 1);
}

/** Milliseconds in a suitable unit. */
export function time(milliseconds: number): string {
  if (milliseconds < 1) {
    return '0';
  }
  if (milliseconds < 1000) {
    return `${Math.round(milliseconds)} ms`;
  }
  const seconds = milliseconds / 1000;
  if (seconds < 100) {
    return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${(minutes / 60).toFixed(0)} h`;
}

/**
 * A moment: the time of day, and the date if it is not soon.
 *
 * @param left milliseconds until then
 */
export function moment(at: number, left: number): string {
  return new Date(at).toLocaleString('en-GB', {
    timeStyle: 'medium',
    ...(left > 12 * 3_600_000 && { dateStyle: 'medium' }),
  });
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}

export function money(amount: number, currency: string): string {
  const digits = amount !== 0 && Math.abs(amount) < 1 ? 4 : 2;
  return (
    currency + amount.toLocaleString('en-GB', { minimumFractionDigits: 2, maximumFractionDigits: digits })
  );
}
