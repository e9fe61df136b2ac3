/** A function of the user's that may take its parameters for something narrower than what is known of them here. */
export type Lenient<Parameters extends unknown[], Result> = {
  call(...parameters: Parameters): Result;
}['call'];

/** Shows a value in an error message so that one recognises it, without printing what it holds. */
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
  /** Whether `Infinity` is allowed. */
  readonly infinite?: boolean;
  readonly whole?: boolean;
  /** Whether `min` itself is excluded. */
  readonly above?: boolean;
  readonly max?: number;
}

/** A number from a config, or its default; a `TypeError` or `RangeError` names the field and shows the value. */
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

/** A number that has no default: undefined is as wrong as any other wrong value. */
export function requiredNumber(field: string, value: number, bounds?: NumberBounds): number {
  if ((value as number | undefined) === undefined) {
    throw new TypeError(`${field} must be a number, but is undefined.`);
  }
  return numberSetting(field, value, 0, bounds);
}

/** One of a few words from a config, or its default. */
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

/** A switch from a config, or its default. */
export function switchSetting(field: string, value: boolean | undefined, fallback: boolean): boolean {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${field} must be true or false, but is ${shown(value)}.`);
  }
  return value ?? fallback;
}

/** A text from a config. */
export function textSetting(field: string, value: string | undefined): string | undefined {
  if (value !== undefined && typeof value !== 'string') {
    throw new TypeError(`${field} must be a string, but is ${shown(value)}.`);
  }
  return value;
}

/** A function from a config. */
export function functionSetting<T>(field: string, value: T): T {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${field} must be a function, but is ${shown(value)}.`);
  }
  return value;
}

/** A function that is no option. */
export function requiredFunction<T>(field: string, value: T): T {
  if (typeof value !== 'function') {
    throw new TypeError(`${field} must be a function, but is ${shown(value)}.`);
  }
  return value;
}

/** A listener from a config. */
export function listenerSetting<T extends { next: unknown }>(
  field: string,
  value: T | undefined,
): T | undefined {
  if (value !== undefined && typeof (value as Partial<T> | null)?.next !== 'function') {
    throw new TypeError(`${field} must have a next() method, but is ${shown(value)}.`);
  }
  return value;
}

/** A scheduler from a config. */
export function schedulerSetting<T extends { now: unknown; schedule: unknown }>(
  value: T | undefined,
): T | undefined {
  const given = value as Partial<T> | null | undefined;
  if (given !== undefined && (typeof given?.now !== 'function' || typeof given.schedule !== 'function')) {
    throw new TypeError(`scheduler must have now() and schedule(), but is ${shown(value)}.`);
  }
  return value;
}

/** A config itself: undefined or an object. */
export function configObject<T extends object>(
  owner: string,
  config: T | undefined,
): T | Record<string, never> {
  if (config === undefined) {
    return {};
  }
  if (typeof config !== 'object' || config === (null as unknown)) {
    throw new TypeError(`The config of ${owner} must be an object, but is ${shown(config)}.`);
  }
  return config;
}
