import stringWidth from 'string-width';

/** `1 event`, `2 events`. */
export function counted(count: number, noun: string): string {
  return `${wholeNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** A whole number with its thousands divided: `12,345`. */
export function wholeNumber(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A share of 0 to 1 as `64 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Milliseconds as `540 ms`. */
export function milliseconds(value: number): string {
  return `${wholeNumber(value)} ms`;
}

/** Milliseconds as `12.3 s`, `2 min 5 s` or `1 h 12 min`. */
export function duration(value: number): string {
  const seconds = value / 1_000;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
}

/** US dollars, with more digits where there is little to see. */
export function dollars(value: number): string {
  const digits = value >= 0.1 || value === 0 ? 2 : value >= 0.0001 ? 4 : 6;
  return `$${value.toFixed(digits)}`;
}

/** A score with its sign, always as wide: `+0.87`. */
export function signed(score: number): string {
  return `${score < 0 ? '-' : '+'}${Math.abs(score).toFixed(2)}`;
}

/** The beginning of a text, without half a character at its end. */
export function leadOf(text: string, longest: number): string {
  const lead = text.slice(0, longest);
  return text.length > longest ? lead.replace(/[\ud800-\udbff]$/, '') : lead;
}

const graphemes = new Intl.Segmenter('en');

/**
 * Text of others on one line of the terminal, cut to a width in its columns; without control characters, as a headline
 * could otherwise move the cursor or change colours.
 */
export function oneLine(text: string, width: number): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\s]+/g, ' ').trim();
  let taken = 0;
  let end = 0;
  for (const { segment, index } of graphemes.segment(clean)) {
    taken += widthOf(segment);
    if (taken > width) return `${clean.slice(0, end)}…`;
    if (taken < width) end = index + segment.length;
  }
  return clean;
}

/** Columns of a terminal that a character takes: two for most of East Asia and for pictures. */
function widthOf(grapheme: string): number {
  return /\p{Emoji_Presentation}|\ufe0f/u.test(grapheme) ? 2 : stringWidth(grapheme);
}

/** Rows that lines take in a terminal with so many columns. */
export function rowsOf(lines: readonly string[], columns: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / columns)), 0);
}

/** Text broken into lines between its words. */
export function wrapped(text: string, width: number): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
