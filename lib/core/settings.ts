/** A function that may declare narrower parameters than those it is called with. */
export type Lenient<Parameters extends unknown[], Result> = {
  call(...parameters: Parameters): Result;
}['call'];

/** Describes a value for an error message, without its content. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > 40 ? `a string of ${value.length} characters` : `'${value}'`;
  }
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : 'an object';
  }
  return typeof value === 'function' ? 'a function' : String(value);
}

interface NumberBounds {
  readonly min?: number;
  readonly infinite?: boolean;
  readonly whole?: boolean;
  readonly above?: boolean;
  readonly max?: number;
}

/**
 * A number of a config, or its default.
 *
 * @throws TypeError or RangeError that names the field and shows the value
 */
export function numberSetting(
  field: string,
  value: number | undefined,
  fallback: number,
  bounds: NumberBounds = {},
): number {
  if (value === undefined) {
    return fallback;
  }
  if (typeof value !== 'number') {
    throw new TypeError(`${field} must be a number, but is ${shown(value)} (${typeof value}).`);
  }
  const { min = 0, max = Infinity, infinite = false, whole = false, above = false } = bounds;
  const tooSmall = above ? !(value > min) : !(value >= min);
  if (
    tooSmall ||
    (!infinite && value === Infinity) ||
    (whole && value !== Infinity && !Number.isInteger(value))
  ) {
    const kind = `${infinite ? '' : 'finite '}${whole ? 'whole ' : ''}number`;
    throw new RangeError(
      `${field} must be a ${kind} ${above ? 'above' : 'of at least'} ${min}, but is ${shown(value)}.`,
    );
  }
  if (value > max) {
    throw new RangeError(`${field} must be at most ${max}, but is ${shown(value)}.`);
  }
  return value;
}

/** A number without a default. */
export function requiredNumber(field: string, value: number, bounds?: NumberBounds): number {
  if ((value as number | undefined) === undefined) {
    throw new TypeError(`${field} must be a number, but is undefined.`);
  }
  return numberSetting(field, value, 0, bounds);
}

export function choiceSetting<T extends string>(
  field: string,
  value: T | undefined,
  fallback: T,
  choices: readonly T[],
): T {
  if (value === undefined) {
    return fallback;
  }
  if (!choices.includes(value)) {
    const listed = choices.map((choice) => `'${choice}'`).join(' or ');
    throw new TypeError(`${field} must be ${listed}, but is ${shown(value)}.`);
  }
  return value;
}

/**
 * Checks how kept answers are replayed.
 *
 * @param words the forms that have a name
 */
export function replaySetting<T extends string>(
  replay: T | { readonly chunkDelay: number },
  words: readonly T[],
): void {
  if (typeof replay === 'object') {
    numberSetting('replay.chunkDelay', configObject('replay', replay).chunkDelay, 0);
  } else {
    choiceSetting('replay', replay, words[0]!, words);
  }
}

export function switchSetting(field: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${field} must be true or false, but is ${shown(value)}.`);
  }
  return value ?? fallback;
}

export function textSetting(field: string, value: string | undefined): string | undefined {
  if (value !== undefined && typeof value !== 'string') {
    throw new TypeError(`${field} must be a string, but is ${shown(value)}.`);
  }
  return value;
}

export function requiredText(field: string, value: string | undefined): string {
  const text = textSetting(field, value);
  if (!text) {
    throw new TypeError(`${field} must be a string that is not empty, but is ${shown(value)}.`);
  }
  return text;
}

export function functionSetting<T>(field: string, value: T): T {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${field} must be a function, but is ${shown(value)}.`);
  }
  return value;
}

export function requiredFunction<T>(field: string, value: T): T {
  if (typeof value !== 'function') {
    throw new TypeError(`${field} must be a function, but is ${shown(value)}.`);
  }
  return value;
}

/** Refuses a promise that user code returned in place of a value: it would count as a truthy value. */
export function refusePromise(field: string, returned: unknown): void {
  if (isThenable(returned)) {
    // Handle its failure, which would become an unhandled rejection.
    returned.then(undefined, () => undefined);
    throw new TypeError(`${field} must not be asynchronous, but returned a promise.`);
  }
}

/** A number from 0 to 1 from a source of chance, which may be user code; 0 for any other value. */
export function chanceFrom(random: () => number): number {
  const drawn: unknown = random();
  return typeof drawn === 'number' ? Math.min(1, Math.max(0, drawn || 0)) : 0;
}

/** The boolean that a user's predicate returned; any other value is refused. */
export function verdictOf(field: string, returned: unknown): boolean {
  refusePromise(field, returned);
  if (typeof returned !== 'boolean') {
    throw new TypeError(`${field} must return true or false, but returned ${shown(returned)}.`);
  }
  return returned;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

export function listenerSetting<T extends { next: unknown }>(
  field: string,
  value: T | undefined,
): T | undefined {
  if (value !== undefined && typeof (value as Partial<T> | null)?.next !== 'function') {
    throw new TypeError(`${field} must have a next() method, but is ${shown(value)}.`);
  }
  return value;
}

export function fleetSetting<T extends { join: unknown }>(value: T | undefined): T | undefined {
  if (value !== undefined && typeof (value as Partial<T> | null)?.join !== 'function') {
    throw new TypeError(`fleet must be a fleet, as redisFleet() makes it, but is ${shown(value)}.`);
  }
  return value;
}

export function schedulerSetting<T extends { now: unknown; schedule: unknown }>(
  value: T | undefined,
): T | undefined {
  const given = value as Partial<T> | null | undefined;
  if (given !== undefined && (typeof given?.now !== 'function' || typeof given.schedule !== 'function')) {
    throw new TypeError(`scheduler must have now() and schedule(), but is ${shown(value)}.`);
  }
  return value;
}

export function configObject<T extends object>(
  owner: string,
  config: T | undefined,
  fields?: FieldsOf<NoInfer<T>>,
): T | Record<string, never> {
  if (config === undefined) {
    return {};
  }
  if (typeof config !== 'object' || config === (null as unknown)) {
    throw new TypeError(`The config of ${owner} must be an object, but is ${shown(config)}.`);
  }
  if (fields) {
    noUnknownFields(owner, config, Object.keys(fields));
  }
  return config;
}

/** Every field of a config, so that a misspelt one can be refused. */
export type FieldsOf<T> = Readonly<Record<keyof T, true>>;

/** Refuses a field that a config does not have, so that a misspelt field is not ignored. */
export function noUnknownFields(owner: string, config: object, names: readonly string[]): void {
  for (const [field, value] of Object.entries(config)) {
    if (value !== undefined && !names.includes(field)) {
      const [nearest] = [...names].sort((one, other) => distance(field, one) - distance(field, other));
      throw new TypeError(`${owner} has no field ${shown(field)}. Did you mean '${nearest!}'?`);
    }
  }
}

/** The edit distance between two names (Levenshtein), ignoring case. */
function distance(one: string, other: string): number {
  const letters = Array.from(other.toLowerCase());
  let row = [0, ...letters.map((_letter, index) => index + 1)];
  for (const letter of one.toLowerCase().slice(0, 40)) {
    const next = [row[0]! + 1];
    letters.forEach((its, index) => {
      const replaced = row[index]! + (its === letter ? 0 : 1);
      next.push(Math.min(replaced, row[index + 1]! + 1, next[index]! + 1));
    });
    row = next;
  }
  return row.at(-1)!;
}
