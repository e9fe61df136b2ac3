/** Offsets of zones that `Date.parse` does not know. Names that mean two zones, as IST does, are left out. */
const offsets: Readonly<Record<string, string>> = {
  WET: '+0000',
  WEST: '+0100',
  BST: '+0100',
  CET: '+0100',
  CEST: '+0200',
  EET: '+0200',
  EEST: '+0300',
  MSK: '+0300',
  HKT: '+0800',
  SGT: '+0800',
  JST: '+0900',
  KST: '+0900',
  AEST: '+1000',
  AEDT: '+1100',
  NZST: '+1200',
  NZDT: '+1300',
};

/**
 * Milliseconds since 1970 of a time as inputs write it: ISO and RFC dates, days such as `20030219` and `04.12.2023`,
 * and numbers of seconds, milliseconds, microseconds or nanoseconds. A time without a zone is one of this machine's.
 * @returns undefined for any other text, and for days such as `04/12/2023`, which mean two days
 */
export function timeOf(text: string): number | undefined {
  const time = /^\d{9,}(\.\d+)?$/.test(text) ? sinceEpoch(Number(text)) : Date.parse(plainDate(text));
  return Math.abs(time) <= latestTime ? time : undefined;
}

/** The latest time that a `Date` can hold. */
const latestTime = 8.64e15;

function sinceEpoch(count: number): number {
  if (count < 1e11) return count * 1_000;
  if (count < 1e14) return count;
  return count < 1e17 ? count / 1e3 : count / 1e6;
}

/** The same date in a form that `Date.parse` does not guess at; empty if there is none. */
function plainDate(text: string): string {
  const day = /^(\d{4})(\d{2})(\d{2})$/.exec(text);
  if (day !== null) return `${day[1]!}-${day[2]!}-${day[3]!}`;
  const zoned = text.replace(/\s*([A-Z]{3,4})$/, (zone, name: string) => offsets[name] ?? zone);
  // ISO allows no space before a zone.
  const date = zoned.replace(/^([\d-]+T[\d:.]+) (?=[+-]\d|Z)/, '$1');
  const numeric = /^(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?!\d)(.*)$/.exec(date);
  if (numeric !== null) {
    const [, first, mark, second, year, rest] = numeric as unknown as string[];
    const isDayFirst = mark === '.' || Number(first) > 12 || first === second;
    if (!isDayFirst && Number(second) <= 12) return '';
    const [dayOfMonth, month] = isDayFirst ? [first, second] : [second, first];
    return `${year!}/${month!}/${dayOfMonth!}${rest!}`;
  }
  const isKnownForm =
    /^\d{4}(?:$|[-/]\d)/.test(date) || /\b[a-z]{3,}\b.*\b\d{4}\b|\d [a-z]{3} \d\d /i.test(date);
  return isKnownForm ? date : '';
}
