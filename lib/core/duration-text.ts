const minute = 60_000;
const hour = 60 * minute;

/** Writes milliseconds as people do: `350 ms`, `2.5 s`, `2 min 5 s`, `24 h`. */
export function durationText(milliseconds: number): string {
  if (milliseconds < 999.5) {
    return `${Math.round(milliseconds)} ms`;
  }
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) {
    return `${Number((milliseconds / 1000).toFixed(1))} s`;
  }
  const isLong = seconds >= hour / 1000;
  const [large, small] = isLong ? (['h', 'min'] as const) : (['min', 's'] as const);
  const total = isLong ? Math.round(milliseconds / minute) : seconds;
  const rest = total % 60;
  return `${Math.floor(total / 60)} ${large}${rest > 0 ? ` ${rest} ${small}` : ''}`;
}
