/** Bytes of a word: a pointer, a small integer, a field of a header. */
const word = 8;

/** Map, properties and elements: what every object begins with. */
const objectHeader = 3 * word;

/** The slots that `{}` is given in advance. */
const slotsInAdvance = 4;

/** The header of an object, and its length. */
const arrayHeader = 4 * word;

/** Map and length of what an array or an object keeps its elements in. */
const storeHeader = 2 * word;

/** Map, hash and length. */
const stringHeader = 2 * word;

/** A number that is not a small integer, where it cannot stand in the slot itself. */
const boxedNumber = 2 * word;

/** Objects with more fields than this keep them in a hash table of three words a field. */
const mostFastFields = 127;

/** Objects with more fields than this are taken for tables whose names are this answer's own. */
const mostSharedFields = 40;

/** A hidden class and its descriptor of the field, for each name that no other object has. */
const ownNameSize = 13 * word;

/** A hash table's own header and that of its object. */
const dictionaryHeader = 12 * word;

/** An entry of a `Map`: key, value and the next of its bucket; of a `Set` it is one less. */
const mapEntryWords = 3;

/** A `Map` or a `Set`, and the header of its table. */
const collectionHeader = 9 * word;

const bufferHeader = 11 * word;
const viewHeader = 12 * word;
const dateSize = 12 * word;
const functionSize = 8 * word;
const symbolSize = 3 * word;
const accessorPair = 3 * word;

/** Arrays of numbers that are longer than this are looked at in as many places. */
const mostLookedAt = 24;

/** A step through an array that falls into no rhythm: the golden section. */
const stride = 0.618_033_988_749_895;

/** Two bytes a character as soon as one is none of Latin-1. V8 answers without a look at strings it keeps in one. */
const beyondLatin1 = /[^\u0000-\u00ff]/;

const { getOwnPropertyDescriptor, getPrototypeOf, isExtensible, keys } = Object;
const { ownKeys } = Reflect;

// The built-in ones, since those of a subclass could run anything.
const typedArrayPrototype = getPrototypeOf(Uint8Array.prototype) as object;
const lengthOfTypedArray = builtInGetter(typedArrayPrototype, 'byteLength') as (view: object) => number;
const bufferOfTypedArray = builtInGetter(typedArrayPrototype, 'buffer') as (view: object) => ArrayBuffer;
const lengthOfDataView = builtInGetter(DataView.prototype, 'byteLength') as (view: object) => number;
const bufferOfDataView = builtInGetter(DataView.prototype, 'buffer') as (view: object) => ArrayBuffer;
const lengthOfBuffer = builtInGetter(ArrayBuffer.prototype, 'byteLength') as (buffer: object) => number;
const sizeOfMap = builtInGetter(Map.prototype, 'size') as (map: object) => number;
const sizeOfSet = builtInGetter(Set.prototype, 'size') as (set: object) => number;
/* eslint-disable @typescript-eslint/unbound-method -- called with the object they are to look at */
const forEachOfMap = Map.prototype.forEach;
const forEachOfSet = Set.prototype.forEach;
/* eslint-enable @typescript-eslint/unbound-method */

/**
 * The bytes a value takes in memory, beyond the slot that refers to it, as V8 lays it out in Node on 64 bits: Latin-1
 * text with one byte a character and other text with two, objects, arrays, boxed numbers and collections with their
 * headers and slots, buffers by their bytes, class instances by their own fields. What is referred to more than once
 * counts once; what closures and private fields hold, and what an engine keeps elsewhere (the body of a `Blob`), does
 * not count. It runs no getter, never throws, and takes some microseconds for each kilobyte.
 *
 * The sizes are those of V8's object layouts (`src/objects/*.tq` and `ordered-hash-table.h`) without pointer
 * compression, checked against differences of the heap in Node 20. Array elements that were numbers with fractions
 * take eight bytes each, and 24 once the array is frozen: measure an answer as it is kept.
 *
 * @example
 * sizeOfAnswer('seven'); // 24
 * sizeOfAnswer({ label: 'positive', score: 0.9 }); // 80
 */
export function sizeOfAnswer(value: unknown): number {
  return isReference(value) ? new Measurement().sizeOf(value) : sizeOfPrimitive(value);
}

/** One walk over all that an answer refers to; without recursion, as answers may be deep. */
class Measurement {
  #size = 0;
  readonly #open: object[] = [];
  readonly #seen = new Set<object>();
  /** Bytes of the buffers that are looked into which were not counted yet. */
  #buffers: Map<object, number> | undefined;

  sizeOf(root: object): number {
    this.#refer(root);
    for (let next = this.#open.pop(); next; next = this.#open.pop()) {
      try {
        this.#measure(next);
      } catch {
        // A proxy whose target forbids the look; it takes at least its own header.
        this.#size += objectHeader;
      }
    }
    return this.#size;
  }

  #measure(value: object): void {
    if (typeof value === 'function') {
      this.#size += functionSize;
    } else if (Array.isArray(value)) {
      this.#measureArray(value);
    } else if (ArrayBuffer.isView(value)) {
      this.#measureView(value);
    } else {
      this.#measureObject(value);
    }
  }

  #measureObject(value: object): void {
    const prototype = getPrototypeOf(value) as object | null;
    if (prototype === null) {
      this.#measureFields(value, keys(value), true);
    } else if (getPrototypeOf(prototype) === null) {
      this.#measureFields(value, keys(value), false);
    } else {
      this.#measureInstance(value, prototype);
    }
  }

  #measureInstance(value: object, prototype: object): void {
    switch (tagOf(prototype)) {
      case 'Map':
        this.#size += tableSize(sizeOfMap(value), mapEntryWords);
        forEachOfMap.call(value as Map<unknown, unknown>, (one, key) => {
          this.#hold(key);
          this.#hold(one);
        });
        break;
      case 'Set':
        this.#size += tableSize(sizeOfSet(value), mapEntryWords - 1);
        forEachOfSet.call(value as Set<unknown>, (one) => this.#hold(one));
        break;
      case 'ArrayBuffer':
        this.#size += this.#takeBytes(value as ArrayBuffer, lengthOfBuffer(value));
        break;
      default:
        this.#measureFields(value, ownKeys(value), false);
        if (value instanceof Date) {
          this.#size += dateSize - objectHeader - slotsInAdvance * word;
        }
    }
  }

  #measureFields(value: object, names: readonly PropertyKey[], isDictionary: boolean): void {
    const count = names.length;
    if (isDictionary || count > mostFastFields) {
      this.#size += dictionaryHeader + 3 * word * powerOfTwo(1.5 * count, 4);
    } else {
      this.#size += objectHeader + word * (count || slotsInAdvance);
      this.#size += count > mostSharedFields ? ownNameSize * count : 0;
    }
    for (const name of names) {
      const descriptor = getOwnPropertyDescriptor(value, name);
      if (descriptor && !('value' in descriptor)) {
        this.#size += accessorPair;
      } else {
        this.#hold(descriptor?.value);
      }
      if (count > mostSharedFields) {
        this.#hold(name);
      }
    }
  }

  #measureArray(array: readonly unknown[]): void {
    const { length } = array;
    this.#size += arrayHeader + (length > 0 ? storeHeader + word * length : 0);
    // Numbers alone stand in the slots themselves, unless the array was frozen, which boxes each of them.
    const isBoxed = !isExtensible(array);
    const fractions = length > mostLookedAt ? shareOfFractions(array) : undefined;
    if (fractions !== undefined) {
      this.#size += isBoxed ? boxedNumber * Math.round(fractions * length) : 0;
      return;
    }
    let boxes = 0;
    let numbers = 0;
    for (let index = 0; index < length; index++) {
      const item: unknown = getOwnPropertyDescriptor(array, index)?.value;
      if (typeof item === 'number') {
        numbers++;
        boxes += sizeOfPrimitive(item);
      } else {
        this.#hold(item);
      }
    }
    this.#size += isBoxed || numbers < length ? boxes : 0;
  }

  #measureView(view: ArrayBufferView): void {
    const isDataView = tagOf(getPrototypeOf(view) as object) === 'DataView';
    const bytes = isDataView ? lengthOfDataView(view) : lengthOfTypedArray(view);
    const buffer = isDataView ? bufferOfDataView(view) : bufferOfTypedArray(view);
    this.#size += viewHeader + this.#takeBytes(buffer, bytes);
  }

  /** Many small views may share a large buffer, and two views the same bytes: never more than it has. */
  #takeBytes(buffer: ArrayBuffer, bytes: number): number {
    this.#buffers ??= new Map();
    const known = this.#buffers.get(buffer);
    // The length of shared memory is not for sure the same a moment later.
    const isShared = known === undefined && tagOf(getPrototypeOf(buffer) as object) !== 'ArrayBuffer';
    const left = known ?? (isShared ? bytes : lengthOfBuffer(buffer));
    const taken = Math.min(bytes, left);
    this.#buffers.set(buffer, left - taken);
    return taken + (known === undefined ? bufferHeader : 0);
  }

  #hold(value: unknown): void {
    if (isReference(value)) {
      this.#refer(value);
    } else {
      this.#size += sizeOfPrimitive(value);
    }
  }

  #refer(value: object): void {
    if (!this.#seen.has(value)) {
      this.#seen.add(value);
      this.#open.push(value);
    }
  }
}

function isReference(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Beyond the slot that refers to it, or that it stands in. */
function sizeOfPrimitive(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return sizeOfText(value);
    case 'number':
      return isSmallInteger(value) ? 0 : boxedNumber;
    case 'bigint':
      return storeHeader + word * Math.ceil(value.toString(16).length / 16);
    case 'symbol':
      return symbolSize;
    default:
      return 0;
  }
}

function sizeOfText(text: string): number {
  // V8 has all texts of one Latin-1 character, and the empty one, already.
  if (text.length < 2 && (text === '' || text.charCodeAt(0) < 0x100)) {
    return 0;
  }
  const bytes = beyondLatin1.test(text) ? 2 * text.length : text.length;
  return stringHeader + word * Math.ceil(bytes / word);
}

function isSmallInteger(value: number): boolean {
  return (value | 0) === value && !Object.is(value, -0);
}

/** How many of an array's numbers are no small integers, 0 to 1, by a sample; undefined if not all are numbers. */
function shareOfFractions(array: readonly unknown[]): number | undefined {
  let fractions = 0;
  for (let look = 0; look < mostLookedAt; look++) {
    const index = Math.floor(((look * stride) % 1) * array.length);
    const item: unknown = getOwnPropertyDescriptor(array, index)?.value;
    if (typeof item !== 'number') {
      return undefined;
    }
    fractions += isSmallInteger(item) ? 0 : 1;
  }
  return fractions / mostLookedAt;
}

function tableSize(entries: number, wordsOfEntry: number): number {
  const capacity = powerOfTwo(entries, 4);
  return collectionHeader + word * (capacity / 2 + capacity * wordsOfEntry);
}

function powerOfTwo(atLeast: number, lowest: number): number {
  let power = lowest;
  while (power < atLeast) {
    power *= 2;
  }
  return power;
}

/** The name of a built-in class in any realm, where a prototype says it without running anything. */
function tagOf(prototype: object): unknown {
  for (let one: object | null = prototype; one; one = getPrototypeOf(one) as object | null) {
    const tag = getOwnPropertyDescriptor(one, Symbol.toStringTag);
    if (tag) {
      return tag.value;
    }
  }
  return undefined;
}

function builtInGetter(prototype: object, name: string): (value: object) => unknown {
  const { get } = getOwnPropertyDescriptor(prototype, name) as { get: (this: object) => unknown };
  return (value) => get.call(value);
}
