/** Why a value can neither be part of a key nor be kept as text, and where it stands. Never shows what it holds. */
export class UnreadableValueError extends TypeError {
  override readonly name = 'UnreadableValueError';
  constructor(
    /** Where it stands, as in `request.tools[0].run`. */
    readonly path: string,
    /** What it is, as in `a function`. */
    readonly what: string,
    remedy = 'Make it plain data.',
  ) {
    super(`The value at ${path} is ${what}, which text cannot tell apart from others. ${remedy}`);
  }
}

/** Begins the one field of an object that stands for what JSON lacks; fields that begin so get one more of it. */
const mark = '~';

/** Deeper values would overflow the stack. A cycle is always deeper. */
const deepest = 500;

/** Up to so many names of fields are sorted by insertion. */
const fewNames = 20;

/** Steps of a path that are shown at most. */
const longestPath = 20;

/** Field names that are surely no content, as a prompt or an address would be. */
const showableName = /^[\w$-]{1,40}$/;

/**
 * A value as text from which `decodeText` makes the same value, its types included. Beyond what JSON has, it takes
 * `undefined`, `NaN`, the infinities, `-0`, bigints, `Date`, `Map`, `Set`, `RegExp`, `URL`, `ArrayBuffer` and its
 * views, and objects without a prototype. Fields come back in their order. Not kept is what is no data: fields that are
 * not enumerable, that a field was an accessor (it is read once), that an object was frozen or stood in two places, the
 * `lastIndex` of a `RegExp`, named fields of binary data, and the rest of the buffer that a view shows a part of.
 *
 * @param root what the value is called in the path of an error
 * @throws UnreadableValueError for what it could not bring back: functions, symbols, class instances, cycles, arrays
 * with holes or named fields, values nested deeper than 500 levels
 */
export function encodeText(value: unknown, root = 'value'): string {
  return new PlainCopy(root, false).text(value);
}

/**
 * A value as text that no other value has: as `encodeText`, but the order of fields does not matter, nor whether a
 * field that is undefined is there, nor whether an object has a prototype.
 *
 * @param leaveOut given all fields of a value that is a plain object, each read only once, it sets to undefined what
 * does not count
 * @throws UnreadableValueError for what could not be told apart
 */
export function canonicalText(value: unknown, root: string, leaveOut?: LeaveOut): string {
  return new PlainCopy(root, true, leaveOut).text(value);
}

/**
 * The value that `encodeText` was given.
 *
 * @throws SyntaxError, which does not show the text, for one that `encodeText` did not write
 */
export function decodeText(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return text.includes(`"${mark}`) ? revived(value) : value;
  } catch {
    // The error of JSON.parse would show some of the text.
    throw new SyntaxError('The text is not one that encodeText has written.');
  }
}

type LeaveOut = (fields: Record<string, unknown>) => void;

/** Sets a field as a literal would; an assignment to `__proto__` would set the prototype. */
function putField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[name] = value;
  }
}

/** Copies a value once into what JSON can say; a copy, so that what an accessor or a proxy answers is read only once. */
class PlainCopy {
  readonly #root: string;
  readonly #isForKey: boolean;
  readonly #leaveOut: LeaveOut | undefined;
  /** The objects that are being read, from the outermost on. */
  readonly #above: object[] = [];
  /** For each of them, which of its values is being read. */
  readonly #steps: (string | number)[] = [];
  #depth = 0;

  constructor(root: string, isForKey: boolean, leaveOut?: LeaveOut) {
    this.#root = root;
    this.#isForKey = isForKey;
    this.#leaveOut = leaveOut;
  }

  text(value: unknown): string {
    try {
      return JSON.stringify(this.#copy(value));
    } catch (error) {
      // Of accessors, proxies and texts that are too long; its message might show what they hold.
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
    if (this.#depth >= deepest) {
      throw this.#refusalOfDepth();
    }
    if (Array.isArray(object)) {
      return this.#copyArray(object);
    }
    const prototype = prototypeOf(object);
    if (prototype !== null && !isRoot(prototype)) {
      return this.#copyBuiltIn(object, prototype);
    }
    this.#refuseSymbols(object);
    const copy = this.#copyFields(this.#whatCounts(object as Record<string, unknown>), object);
    return prototype === null && !this.#isForKey ? marked('bare', copy) : copy;
  }

  #copyArray(array: readonly unknown[]): unknown[] {
    if (!Array.isArray(prototypeOf(array))) {
      throw this.#refusalOfClass(array);
    }
    // Before it is read: an array of a billion holes is quickly made.
    const names = Object.keys(array);
    if (names.length !== array.length || (names.length > 0 && names.at(-1) !== String(names.length - 1))) {
      throw this.#refusal('an array with holes or with named fields');
    }
    this.#refuseSymbols(array);
    return this.#copyItems(array, array);
  }

  #copyItems(items: readonly unknown[], owner: object): unknown[] {
    const level = this.#enter(owner);
    const copy: unknown[] = [];
    for (let index = 0; index < items.length; index++) {
      this.#steps[level] = index;
      copy.push(this.#copy(items[index]));
    }
    this.#depth = level;
    return copy;
  }

  /** Of the outermost object the fields that count; any other object as it is. */
  #whatCounts(object: Record<string, unknown>): Record<string, unknown> {
    if (this.#depth > 0 || !this.#leaveOut) {
      return object;
    }
    const level = this.#enter(object);
    const fields: Record<string, unknown> = {};
    for (const name of Object.keys(object)) {
      this.#steps[level] = name;
      putField(fields, name, object[name]);
    }
    this.#depth = level;
    this.#leaveOut(fields);
    return fields;
  }

  #copyFields(fields: Record<string, unknown>, owner: object): object {
    const names = Object.keys(fields);
    if (this.#isForKey) {
      sortNames(names);
    }
    const level = this.#enter(owner);
    const copy: Record<string, unknown> = {};
    for (const name of names) {
      this.#steps[level] = name;
      const value = fields[name];
      if (value !== undefined || !this.#isForKey) {
        putField(copy, name.startsWith(mark) ? mark + name : name, this.#copy(value));
      }
    }
    this.#depth = level;
    return copy;
  }

  #copyBuiltIn(object: object, prototype: object): unknown {
    const name = nameOfBuiltIn(object, prototype);
    const builtIn = name === undefined ? undefined : builtIns.get(name);
    if (name === undefined || !builtIn) {
      throw this.#refusalOfClass(object);
    }
    // Binary data has a field for each byte, too many to look for others.
    if (!binaryData.has(name) && Object.keys(object).length > 0) {
      throw this.#refusal(`of the class ${name}, with fields of its own`);
    }
    this.#refuseSymbols(object);
    const content = contentOf(builtIn, object);
    if (content === undefined) {
      throw this.#refusal(`of the class ${name}, but cannot be copied`);
    }
    return marked(name, Array.isArray(content) ? this.#copyItems(content, object) : content);
  }

  /** Goes down into an object; returns the level it stands on. */
  #enter(object: object): number {
    const level = this.#depth++;
    this.#above[level] = object;
    return level;
  }

  #refuseSymbols(object: object): void {
    if (Object.getOwnPropertySymbols(object).length > 0) {
      throw this.#refusal('an object with symbols for keys');
    }
  }

  #refusal(what: string, depth = this.#depth): UnreadableValueError {
    const steps = this.#steps.slice(0, Math.min(depth, longestPath)).map(shownStep);
    const path = `${this.#root}${steps.join('')}${depth > longestPath ? '…' : ''}`;
    return new UnreadableValueError(
      path,
      what,
      this.#isForKey ? 'Give the request a cacheKey, or make the value plain data.' : undefined,
    );
  }

  #refusalOfClass(object: object): UnreadableValueError {
    const { constructor } = object as { constructor?: { name?: unknown } };
    const name = constructor?.name;
    return this.#refusal(typeof name === 'string' && name !== '' ? `of the class ${name}` : 'of a class');
  }

  #refusalOfDepth(): UnreadableValueError {
    const again = this.#above.findIndex((object, level) => this.#above.indexOf(object) < level);
    return again < 0
      ? this.#refusal(`nested deeper than ${deepest} levels`)
      : this.#refusal('a reference back to an object it is part of', again);
  }
}

/** A class of the language or the platform whose instances are data; its name is their mark. */
interface BuiltIn {
  /** What an instance holds, in plain data; throws where the object is no true instance. */
  contentOf(object: object): unknown;
  madeOf(content: unknown): unknown;
}

interface ViewClass {
  readonly name: string;
  new (buffer: ArrayBuffer): ArrayBufferView;
}

const { Buffer: NodeBuffer, Float16Array } = globalThis as {
  /** Where there is a Node; an import of it would break bundles for browsers. */
  Buffer?: BufferConstructor;
  /** In engines of 2025 and later. */
  Float16Array?: ViewClass;
};

const viewClasses: readonly ViewClass[] = [
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[BigInt64Array, BigUint64Array, Float32Array, Float64Array, DataView],
  ...(Float16Array ? [Float16Array] : []),
];

// The getters of the prototypes know true instances, of other realms too; what an object says it is may be untrue.
const byteLengthOf = getter(ArrayBuffer.prototype, 'byteLength');
const nameOfTypedArray = getter(prototypeOf(Uint8Array.prototype)!, Symbol.toStringTag);
const sourceOf = getter(RegExp.prototype, 'source');
const hrefOf = typeof URL === 'undefined' ? undefined : getter(URL.prototype, 'href');

const binaryData = new Map<string, BuiltIn>([
  ['ArrayBuffer', { contentOf: (object) => base64Of(bytesOf(object)), madeOf: bufferOf }],
  ...viewClasses.map((View): [string, BuiltIn] => [
    View.name,
    { contentOf: base64OfView, madeOf: (content) => new View(bufferOf(content)) },
  ]),
]);
if (NodeBuffer) {
  binaryData.set('Buffer', {
    contentOf: base64OfView,
    madeOf: (content) => NodeBuffer.from(bufferOf(content)),
  });
}

const builtIns = new Map<string, BuiltIn>([
  ...binaryData,
  [
    'Date',
    {
      contentOf: (object) => {
        const time = Date.prototype.getTime.call(object);
        return Number.isNaN(time) ? null : time;
      },
      madeOf: (content) => new Date(content === null ? NaN : numberFrom(content)),
    },
  ],
  [
    'Map',
    {
      contentOf: (object) => [...(Map.prototype.entries.call(object) as Iterable<unknown>)],
      madeOf: (content) => new Map(itemsFrom(content).map(pairFrom)),
    },
  ],
  [
    'Set',
    {
      contentOf: (object) => [...(Set.prototype.values.call(object) as Iterable<unknown>)],
      madeOf: (content) => new Set(itemsFrom(content)),
    },
  ],
  [
    'RegExp',
    {
      contentOf: (object) => [sourceOf(object), (object as RegExp).flags],
      madeOf: (content) => {
        const [source, flags] = itemsFrom(content);
        return new RegExp(stringFrom(source), stringFrom(flags));
      },
    },
  ],
]);
if (hrefOf) {
  builtIns.set('URL', { contentOf: hrefOf, madeOf: (content) => new URL(stringFrom(content)) });
}

/** What lacks in JSON but has no class. */
const otherMarks = new Map<string, (content: unknown) => unknown>([
  ['undefined', () => undefined],
  ['number', (content) => Number(matching(/^(?:NaN|-?Infinity|-0)$/, content))],
  ['bigint', (content) => BigInt(matching(/^-?\d+$/, content))],
  ['bare', (content) => Object.assign(Object.create(null) as object, fieldsFrom(content))],
]);

/** What its class is called, if it may be one of the built-in ones: not one derived from them, nor one like them. */
function nameOfBuiltIn(object: object, prototype: object): string | undefined {
  if (prototype === NodeBuffer?.prototype) {
    return 'Buffer';
  }
  const typedArray = nameOfTypedArray(object);
  if (typeof typedArray === 'string') {
    return Object.hasOwn(prototype, 'BYTES_PER_ELEMENT') ? typedArray : undefined;
  }
  const above = prototypeOf(prototype);
  return above !== null && isRoot(above)
    ? Object.prototype.toString.call(object).slice('[object '.length, -1)
    : undefined;
}

/** Undefined where it holds nothing that could be copied. */
function contentOf(builtIn: BuiltIn, object: object): unknown {
  try {
    return builtIn.contentOf(object);
  } catch {
    return undefined;
  }
}

/** What `encodeText` made plain, made again. */
function revived(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map(revived);
  }
  const names = Object.keys(value);
  const fields: Record<string, unknown> = {};
  for (const name of names) {
    const content = revived((value as Record<string, unknown>)[name]);
    if (!name.startsWith(mark)) {
      putField(fields, name, content);
    } else if (name.startsWith(mark + mark)) {
      fields[name.slice(mark.length)] = content;
    } else if (names.length === 1) {
      return unmarked(name.slice(mark.length), content);
    } else {
      throw new TypeError('A mark stands alone.');
    }
  }
  return fields;
}

/** @throws TypeError for content that its mark does not go with */
function unmarked(type: string, content: unknown): unknown {
  const builtIn = builtIns.get(type);
  const make = builtIn ? (given: unknown) => builtIn.madeOf(given) : otherMarks.get(type);
  if (!make) {
    throw new TypeError('This mark is unknown.');
  }
  return make(content);
}

/** By code units, as `sort` does; for the few names that objects have, `sort` would cost more than all else. */
function sortNames(names: string[]): void {
  if (names.length > fewNames) {
    names.sort();
    return;
  }
  for (let end = 1; end < names.length; end++) {
    const name = names[end]!;
    let place = end;
    while (place > 0 && names[place - 1]! > name) {
      names[place] = names[place - 1]!;
      place--;
    }
    names[place] = name;
  }
}

function marked(type: string, content: unknown): object {
  return { [mark + type]: content };
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

function base64OfView(object: object): string {
  if (!ArrayBuffer.isView(object)) {
    throw new TypeError('It is no view.');
  }
  return base64Of(bytesOf(object.buffer, object.byteOffset, object.byteLength));
}

/** @throws TypeError for memory that is shared, and so may change meanwhile, resizable or detached */
function bytesOf(buffer: object, offset = 0, length?: number): Uint8Array {
  if (typeof byteLengthOf(buffer) !== 'number' || (buffer as { resizable?: boolean }).resizable === true) {
    throw new TypeError('It cannot be copied.');
  }
  return new Uint8Array(buffer as ArrayBuffer, offset, length);
}

/** Bytes that are made one text at once; more would be too many arguments. */
const chunk = 0x8000;

function base64Of(bytes: Uint8Array): string {
  if (NodeBuffer) {
    return NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  }
  let binary = '';
  for (let start = 0; start < bytes.length; start += chunk) {
    binary += String.fromCharCode(...bytes.subarray(start, start + chunk));
  }
  return btoa(binary);
}

/** @throws TypeError or DOMException for what is no base64 */
function bufferOf(content: unknown): ArrayBuffer {
  const binary = atob(stringFrom(content));
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) {
    bytes[index] = binary.charCodeAt(index);
  }
  return bytes.buffer;
}

function stringFrom(content: unknown): string {
  if (typeof content !== 'string') {
    throw new TypeError('It is no string.');
  }
  return content;
}

function numberFrom(content: unknown): number {
  if (typeof content !== 'number') {
    throw new TypeError('It is no number.');
  }
  return content;
}

function itemsFrom(content: unknown): readonly unknown[] {
  if (!Array.isArray(content)) {
    throw new TypeError('It is no array.');
  }
  return content;
}

function pairFrom(content: unknown): [unknown, unknown] {
  const pair = itemsFrom(content);
  if (pair.length !== 2) {
    throw new TypeError('It is no pair.');
  }
  return [pair[0], pair[1]];
}

function matching(pattern: RegExp, content: unknown): string {
  const text = stringFrom(content);
  if (!pattern.test(text)) {
    throw new TypeError('It is no such text.');
  }
  return text;
}

function fieldsFrom(content: unknown): object {
  if (typeof content !== 'object' || content === null || prototypeOf(content) !== Object.prototype) {
    throw new TypeError('It is no object with fields.');
  }
  return content;
}

function getter(prototype: object, name: PropertyKey): (object: object) => unknown {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
  return (object) => descriptor.get!.call(object) as unknown;
}

function prototypeOf(object: object): object | null {
  return Object.getPrototypeOf(object) as object | null;
}

/** Whether it is the `Object.prototype` of any realm. */
function isRoot(prototype: object): boolean {
  return (
    prototype === Object.prototype ||
    (prototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
  );
}
