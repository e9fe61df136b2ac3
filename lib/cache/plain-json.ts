import { builtIns } from './built-ins';

/** A value has no unique JSON form. The error names its place, never its content. */
export class UnreadableValueError extends TypeError {
  override readonly name = 'UnreadableValueError';
  constructor(
    /** The place of the value, such as `request.tools[0].run`. */
    readonly path: string,
    /** The kind of the value, such as `a function`. */
    readonly what: string,
  ) {
    super(
      `The value at ${path} is ${what}, which has no unique JSON form. ` +
        'Give the request a cacheKey, or make the value plain data.',
    );
  }
}

export interface CopyOptions {
  /** Whether undefined fields count as absent, and the order of fields does not matter. */
  readonly isForKey?: boolean;
  /** Sets fields of the outermost object that do not count to undefined. */
  readonly leaveOut?: ((fields: Record<string, unknown>) => void) | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** The first character of the only field of an object that stands for a type outside JSON. */
const mark = '~';

/** Deeper values would overflow the stack. */
const deepest = 500;

/** The most steps of a path that an error shows. */
const longestPath = 20;

/** Other field names may be content, such as a prompt or an address. */
const showableName = /^[\w$-]{1,40}$/;

/**
 * Copies a value into JSON that is unique to it. A type that JSON lacks becomes an object with one marked field, as in
 * `{ "~Date": 0 }`: `undefined`, `NaN`, the infinities, `-0`, bigints, `Date`, `Map`, `Set`, `RegExp`, `URL` and bytes.
 * An accessor is read once. A null prototype and fields that are not enumerable are ignored.
 *
 * @param root the name of the value in the path of an error
 * @throws UnreadableValueError for functions, symbols, class instances, cycles, arrays with holes or named fields, and
 * values nested deeper than 500 levels
 */
export function plainJson(value: unknown, root: string, options: CopyOptions = {}): unknown {
  return new PlainCopy(root, options).of(value);
}

/**
 * Writes a value as a text that `decodeText` reads.
 *
 * @throws UnreadableValueError as `plainJson` does
 */
export function encodeText(value: unknown, root = 'value'): string {
  return JSON.stringify(plainJson(value, root));
}

/**
 * Reads the text of `encodeText`.
 *
 * @throws SyntaxError for any other text; the error does not show it
 */
export function decodeText(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (!text.includes(`"${mark}`)) {
      return value;
    }
    const made = revived(value);
    if (encodeText(made) === text) {
      return made;
    }
  } catch {
    // The message of the error may show a part of the text.
  }
  throw new SyntaxError('The text is not one that encodeText has written.');
}

class PlainCopy {
  readonly #root: string;
  readonly #options: CopyOptions;
  /** The objects that are being copied, outermost first. */
  readonly #above: object[] = [];
  /** The name or index of the part of each that is being copied. */
  readonly #steps: (string | number)[] = [];

  constructor(root: string, options: CopyOptions) {
    this.#root = root;
    this.#options = options;
  }

  of(value: unknown): unknown {
    try {
      return this.#copy(value);
    } catch (error) {
      // An accessor or a proxy threw. Its message may show content.
      throw error instanceof UnreadableValueError ? error : this.#refusal('something that cannot be read');
    }
  }

  #copy(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'number':
        return isJsonNumber(value) ? value : marked('number', Object.is(value, -0) ? '-0' : String(value));
      case 'bigint':
        return marked('bigint', String(value));
      case 'undefined':
        return marked('undefined', null);
      case 'object':
        return value === null ? null : this.#copyObject(value);
      default:
        throw this.#refusal(`a ${typeof value}`);
    }
  }

  #copyObject(object: object): unknown {
    if (this.#above.includes(object)) {
      throw this.#refusal('a reference back to an object it is part of');
    }
    if (this.#above.length === deepest) {
      throw this.#refusal(`nested deeper than ${deepest} levels`);
    }
    if (Array.isArray(object)) {
      return this.#copyArray(object);
    }
    if (!isPlainObject(object)) {
      return this.#copyBuiltIn(object);
    }
    this.#refuseSymbols(object);
    this.#above.push(object);
    const copy = this.#copyFields(object as Fields);
    this.#above.pop();
    return copy;
  }

  #copyArray(array: readonly unknown[]): unknown[] {
    // `Array.prototype` of every realm is itself an array; the prototype of a subclass is not.
    if (!Array.isArray(prototypeOf(array))) {
      throw this.#refusalOfClass(array);
    }
    // Check before the items are read: an array may have a billion holes.
    const names = Object.keys(array);
    if (names.length !== array.length || (names.length > 0 && names.at(-1) !== String(names.length - 1))) {
      throw this.#refusal('an array with holes or with named fields');
    }
    this.#refuseSymbols(array);
    return this.#copyItems(array, array);
  }

  #copyItems(items: readonly unknown[], owner: object): unknown[] {
    const level = this.#above.push(owner) - 1;
    const copy: unknown[] = [];
    for (let index = 0; index < items.length; index++) {
      this.#steps[level] = index;
      copy.push(this.#copy(items[index]));
    }
    this.#above.pop();
    return copy;
  }

  #copyFields(object: Fields): Fields {
    const level = this.#above.length - 1;
    const { isForKey, leaveOut } = this.#options;
    const fields = level === 0 && leaveOut ? this.#chosenFields(object, leaveOut) : object;
    const names = Object.keys(fields);
    if (isForKey) {
      // So that an error names the same field for any order of fields.
      names.sort();
    }
    const copy: Record<string, unknown> = {};
    for (const name of names) {
      this.#steps[level] = name;
      const value = fields[name];
      if (value !== undefined || !isForKey) {
        putField(copy, name.startsWith(mark) ? mark + name : name, this.#copy(value));
      }
    }
    return copy;
  }

  #chosenFields(object: Fields, leaveOut: NonNullable<CopyOptions['leaveOut']>): Fields {
    const fields: Record<string, unknown> = {};
    for (const name of Object.keys(object)) {
      this.#steps[0] = name;
      putField(fields, name, object[name]);
    }
    leaveOut(fields);
    return fields;
  }

  #copyBuiltIn(object: object): unknown {
    const name = classNameOf(object);
    const builtIn = builtIns.get(name);
    if (!builtIn) {
      throw this.#refusalOfClass(object);
    }
    if (!builtIn.isBinary && Object.keys(object).length > 0) {
      throw this.#refusal(`of the class ${name}, with additional fields`);
    }
    this.#refuseSymbols(object);
    let content: unknown;
    try {
      content = builtIn.contentOf(object);
    } catch {
      throw this.#refusal(`of the class ${name}, but cannot be copied`);
    }
    return marked(name, Array.isArray(content) ? this.#copyItems(content, object) : content);
  }

  #refuseSymbols(object: object): void {
    if (Object.getOwnPropertySymbols(object).length > 0) {
      throw this.#refusal('an object with symbols for keys');
    }
  }

  #refusalOfClass(object: object): UnreadableValueError {
    const name = classNameOf(object);
    return this.#refusal(name === '' ? 'of a class' : `of the class ${name}`);
  }

  #refusal(what: string): UnreadableValueError {
    const depth = this.#above.length;
    const steps = this.#steps.slice(0, Math.min(depth, longestPath)).map(shownStep);
    return new UnreadableValueError(`${this.#root}${steps.join('')}${depth > longestPath ? '…' : ''}`, what);
  }
}

const primitives = new Map<string, (content: unknown) => unknown>([
  ['undefined', () => undefined],
  ['number', Number],
  ['bigint', (content) => BigInt(content as string)],
]);

/** Reads the value of a JSON copy. */
function revived(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) {
    return json;
  }
  if (Array.isArray(json)) {
    return json.map(revived);
  }
  const fields: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(json)) {
    const content = revived(part);
    if (!name.startsWith(mark)) {
      putField(fields, name, content);
    } else if (name.startsWith(mark + mark)) {
      fields[name.slice(mark.length)] = content;
    } else {
      return unmarked(name.slice(mark.length), content);
    }
  }
  return fields;
}

function unmarked(type: string, content: unknown): unknown {
  const make = primitives.get(type) ?? builtIns.get(type)?.make;
  if (!make) {
    throw new TypeError('The mark is unknown.');
  }
  return make(content);
}

function marked(type: string, content: unknown): Fields {
  return { [mark + type]: content };
}

/** Defines a field as a literal does. An assignment to `__proto__` would set the prototype. */
function putField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[name] = value;
  }
}

function isJsonNumber(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}

function shownStep(step: string | number): string {
  if (typeof step === 'number') {
    return `[${step}]`;
  }
  return showableName.test(step) ? `.${step}` : '["…"]';
}

/** Whether an object is a plain object of any realm, or has no prototype. */
function isPlainObject(object: object): boolean {
  const prototype = prototypeOf(object);
  return (
    prototype === null ||
    prototype === Object.prototype ||
    (prototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
  );
}

/** The class name of an object; empty if it has none. */
function classNameOf(object: object): string {
  const { constructor } = (prototypeOf(object) ?? {}) as { constructor?: { name?: unknown } };
  return typeof constructor?.name === 'string' ? constructor.name : '';
}

function prototypeOf(object: object): object | null {
  return Object.getPrototypeOf(object) as object | null;
}
