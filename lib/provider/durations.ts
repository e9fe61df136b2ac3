export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** No limit of a provider lasts longer than a month; a longer one is a broken figure. */
const longest = 32 * day;

/** Milliseconds that a moment may lie in the past because of clocks and whole seconds. */
const tolerance = 2000;

const withinReason = (milliseconds: number): number | undefined =>
  milliseconds <= longest ? milliseconds : undefined;

/** Milliseconds from a bare count of milliseconds, such as `634` or `0.5`. */
export function millisecondsOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^\d{1,20}(?:\.\d{1,20})?$/.test(trimmed) ? withinReason(Number(trimmed)) : undefined;
}

/** Milliseconds from a bare count of seconds, such as `56` or `7.66`. */
export function secondsOf(text: string | undefined): number | undefined {
  const seconds = millisecondsOf(text);
  return seconds === undefined ? undefined : withinReason(seconds * 1000);
}

const units: Readonly<Record<string, number>> = {
  d: day,
  h: hour,
  m: minute,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ns: 1e-6,
};

const great = /^(?:\d{1,20}[dhm])*(?:\d{1,20}(?:\.\d{1,20})?s)?$/;
const small = /^\d{1,20}(?:\.\d{1,20})?[mµμun]s$/;

/**
 * Milliseconds from a duration as Go, Rust and protobuf print it: `6m0s`, `1h53m56.832s`, `45.837906927s`, `20ms`, and
 * with days (`1d1h`). A figure that these would carry over (`6m90s`) is refused.
 */
export function goDurationOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (!(trimmed !== '' && great.test(trimmed)) && !small.test(trimmed)) {
    return undefined;
  }
  let milliseconds = 0;
  let greaterUnit = Infinity;
  for (const [, amount, unit] of trimmed.matchAll(/([\d.]+)(\D+)/g)) {
    const size = units[unit!]!;
    const isCarriedOver = greaterUnit < Infinity && Number(amount) >= (unit === 'h' ? 24 : 60);
    if (isCarriedOver || size >= greaterUnit) {
      return undefined;
    }
    milliseconds += Number(amount) * size;
    greaterUnit = size;
  }
  return withinReason(milliseconds);
}

/**
 * Milliseconds from a duration as providers write it: bare seconds (`56`, `0.5`), or as Go and protobuf print it
 * (`6m0s`, `8.64s`, `20ms`, `34.4s`). Undefined for other texts and for more than a month.
 */
export function durationOf(text: string | undefined): number | undefined {
  return secondsOf(text) ?? goDurationOf(text);
}

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const httpDates = [
  /^(?<weekday>[A-Z][a-z]{2}), (?<date>\d\d?) (?<month>[A-Z][a-z]{2}) (?<year>\d{4}) (?<time>[\d:]{8}) (?:GMT|UTC)$/,
  /^(?<weekday>[A-Z][a-z]{2})[a-z]{3,6}, (?<date>\d\d)-(?<month>[A-Z][a-z]{2})-(?<year>\d\d) (?<time>[\d:]{8}) GMT$/,
  /^(?<weekday>[A-Z][a-z]{2}) (?<month>[A-Z][a-z]{2}) (?<date>[ \d]\d) (?<time>[\d:]{8}) (?<year>\d{4})$/,
];

/**
 * Milliseconds since the epoch from an HTTP date in any of its three forms (RFC 9110, 5.6.7): `Wed, 21 Oct 2015
 * 07:28:00 GMT`, `Wednesday, 21-Oct-15 07:28:00 GMT`, `Wed Oct 21 07:28:00 2015`. A year of two digits is one of this
 * century.
 */
export function httpDateOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  for (const form of httpDates) {
    const { weekday, date, month, year, time } = form.exec(trimmed)?.groups ?? {};
    if (date && month && year) {
      const twoDigits = (value: string | number): string => String(value).trim().padStart(2, '0');
      const days = `${year.padStart(4, '20')}-${twoDigits(months.indexOf(month) + 1)}-${twoDigits(date)}`;
      const at = internetDateOf(`${days}T${time}Z`);
      return at !== undefined && new Date(at).toUTCString().startsWith(weekday!) ? at : undefined;
    }
  }
  return undefined;
}

const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** Milliseconds since the epoch from a date as in RFC 3339 (`2026-01-01T00:00:01Z`, `2026-01-01T01:00:01.5+01:00`). */
export function internetDateOf(text: string | undefined): number | undefined {
  const [, date, time, fraction = '', offset = ''] = rfc3339.exec(text?.trim() ?? '') ?? [];
  const local = Date.parse(`${date}T${time}Z`);
  const at = Date.parse(`${date}T${time}${fraction}${offset.toUpperCase()}`);
  // Date.parse carries a day that does not exist, and hour 24, over to the next one.
  const isDate = !Number.isNaN(local) && new Date(local).toISOString().startsWith(`${date}T${time}`);
  return isDate && !Number.isNaN(at) ? at : undefined;
}

/** Milliseconds since the epoch from a count of milliseconds or seconds since the epoch. */
export function epochOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d{10}(?:\.\d{1,9})?$/.test(trimmed)) {
    return Number(trimmed) * 1000;
  }
  return /^\d{13}$/.test(trimmed) ? Number(trimmed) : undefined;
}

/** Milliseconds from `from` until a moment; undefined if either is unknown, or the moment is past or a month away. */
export function untilOf(at: number | undefined, from: number | undefined): number | undefined {
  return at !== undefined && from !== undefined && at - from >= -tolerance
    ? withinReason(Math.max(0, at - from))
    : undefined;
}

/** A wait of zero is no hint. */
export function hintOf(milliseconds: number | undefined): number | undefined {
  return milliseconds === 0 ? undefined : milliseconds;
}
