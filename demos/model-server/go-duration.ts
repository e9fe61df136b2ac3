/**
 * Formats a time as Go prints durations, which is what OpenAI's reset headers hold: `20ms`, `8.64s`, `6m0s`,
 * `1h0m0s`. Rounded up to whole milliseconds, so that nobody comes back too early.
 * @param milliseconds the time, not negative
 */
export function formatGoDuration(milliseconds: number): string {
  const whole = wholeMilliseconds(milliseconds);
  if (whole === 0) return '0s';
  if (whole < 1_000) return `${whole}ms`;
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor((whole % 3_600_000) / 60_000);
  const seconds = `${(whole % 60_000) / 1_000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/** Rounds a time up to whole milliseconds, forgiving the last digits of a floating-point sum. */
export function wholeMilliseconds(milliseconds: number): number {
  return Math.max(0, Math.ceil(milliseconds - 1e-6));
}
