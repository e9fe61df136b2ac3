/** A number as pages write it: thousands apart, so many decimals, and a minus sign instead of a hyphen. */
export function written(value: number, digits = 0): string {
  // One that is rounded to nothing has no sign.
  const text = value
    .toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    .replace('-', '−');
  return /[1-9]/.test(text) ? text : text.replace('−', '');
}
