export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** No limit of a provider lasts longer than a month: what claims to is a broken figure. */
const longest = 32 * day;

/** Clocks, and dates of whole seconds, may put a moment of now so much into the past. */
const tolerance = 2000;

const withinReason = (milliseconds: number): number | undefined =>
  milliseconds <= longest ? milliseconds : undefined;

/** Milliseconds of a bare count of milliseconds, such as `634` or `0.5`. */
export function millisecondsOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^\d{1,20}(?:\.\d{1,20})?$/.test(trimmed) ? withinReason(Number(trimmed)) : undefined;
}

/** Milliseconds of a bare count of seconds, such as `56` or `7.66`. */
export function secondsOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^\d{1,20}(?:\.\d{1,20})?$/.test(trimmed) ? withinReason(Number(trimmed) * 1000) : undefined;
}

const smallUnits: Readonly<Record<string, number>> = { ms: 1, us: 1e-3, µs: 1e-3, μs: 1e-3, ns: 1e-6 };

/**
 * Milliseconds of a duration as Go, Rust and protobuf print it: `6m0s`, `1h53m56.832s`, `45.837906927s`, `20ms`. A
 * figure that would have been carried over to the next greater unit (`6m90s`) is none of theirs.
 */
export function goDurationOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  const small = /^(\d{1,20}(?:\.\d{1,20})?)(ms|us|µs|μs|ns)$/.exec(trimmed);
  if (small) {
    return withinReason(Number(small[1]) * smallUnits[small[2]!]!);
  }
  const parts = /^(?:(\d{1,20})h)?(?:(\d{1,20})m)?(?:(\d{1,20}(?:\.\d{1,20})?)s)?$/.exec(trimmed);
  if (!parts || trimmed === '') {
    return undefined;
  }
  const [hours, minutes, seconds] = [parts[1], parts[2], parts[3]].map((part) => part && Number(part));
  const isCarriedOver =
    (hours !== undefined && Number(minutes ?? 0) >= 60) ||
    ((hours !== undefined || minutes !== undefined) && Number(seconds ?? 0) >= 60);
  if (isCarriedOver) {
    return undefined;
  }
  return withinReason(
    Number(hours ?? 0) * hour + Number(minutes ?? 0) * minute + Number(seconds ?? 0) * 1000,
  );
}

/**
 * Milliseconds of a duration as providers write it: bare seconds (`56`, `0.5`), or as Go and protobuf print it
 * (`6m0s`, `8.64s`, `20ms`, `34.4s`). Undefined for what is neither, and for more than a month.
 */
export function durationOf(text: string | undefined): number | undefined {
  return secondsOf(text) ?? goDurationOf(text);
}

/** Milliseconds since the epoch of an HTTP date (`Wed, 21 Oct 2015 07:28:00 GMT`). */
export function httpDateOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (trimmed.length !== 29) {
    return undefined;
  }
  const at = Date.parse(trimmed);
  // Date.parse takes much for a date, and carries a day that does not exist over to the next month.
  return !Number.isNaN(at) && new Date(at).toUTCString() === trimmed ? at : undefined;
}

const rfc3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Milliseconds since the epoch of a date as in RFC 3339 (`2026-01-01T00:00:01Z`, `2026-01-01T01:00:01.5+01:00`). */
export function internetDateOf(text: string | undefined): number | undefined {
  const parts = rfc3339.exec(text?.trim() ?? '');
  if (!parts) {
    return undefined;
  }
  const [years, months, days, hours, minutes, seconds] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHours, offsetMinutes] = [Number(parts[9] ?? 0), Number(parts[10] ?? 0)];
  const midnight = Date.UTC(years, months - 1, days);
  const isDate = new Date(midnight).toISOString().startsWith(parts[0].slice(0, 10));
  if (!isDate || Math.max(hours, offsetHours) > 23 || Math.max(minutes, seconds, offsetMinutes) > 59) {
    return undefined;
  }
  const offset = (parts[8] === '-' ? -1 : 1) * (offsetHours * hour + offsetMinutes * minute);
  const fraction = Number(`0.${parts[7] ?? '0'}`) * 1000;
  return midnight + hours * hour + minutes * minute + seconds * 1000 + fraction - offset;
}

/** Milliseconds since the epoch of a count of them, or of seconds, since the epoch. */
export function epochOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  if (/^\d{10}(?:\.\d{1,9})?$/.test(trimmed)) {
    return Number(trimmed) * 1000;
  }
  return /^\d{13}$/.test(trimmed) ? Number(trimmed) : undefined;
}

/** Milliseconds from `from` until a moment: undefined where either is unknown, or it is past or a month away. */
export function untilOf(at: number | undefined, from: number | undefined): number | undefined {
  return at !== undefined && from !== undefined && at - from >= -tolerance
    ? withinReason(Math.max(0, at - from))
    : undefined;
}
