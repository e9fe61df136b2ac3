/** A class of the language or the platform whose instances are data. */
export interface BuiltIn {
  /** Whether its instances have one field for each element. */
  readonly isBinary?: boolean;
  /**
   * Returns the content of an instance: a text, a number, null or an array.
   *
   * @throws TypeError for an object that is no true instance
   */
  contentOf(object: object): unknown;
  /** Makes an instance from its content. */
  readonly make: (content: unknown) => unknown;
}

type ViewClass = new (buffer: ArrayBuffer) => ArrayBufferView;

const viewNames = [
  ...['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array'],
  ...['Uint32Array', 'BigInt64Array', 'BigUint64Array', 'Float16Array', 'Float32Array', 'Float64Array'],
  'DataView',
];

const platform = globalThis as Readonly<Record<string, unknown>>;

/** Bytes per text, because `String.fromCharCode` takes a limited number of arguments. */
const chunk = 0x8000;

// These getters accept only true instances, from any realm.
const byteLengthOf = getter(ArrayBuffer.prototype, 'byteLength');
const sourceOf = getter(RegExp.prototype, 'source');

export const builtIns: ReadonlyMap<string, BuiltIn> = new Map<string, BuiltIn>([
  [
    'Date',
    {
      contentOf: (date) => {
        const time = Date.prototype.getTime.call(date);
        return Number.isNaN(time) ? null : time;
      },
      make: (time) => new Date((time as number | null) ?? NaN),
    },
  ],
  [
    'Map',
    {
      contentOf: (map) => [...(Map.prototype.entries.call(map) as Iterable<unknown>)],
      make: (entries) => new Map(entries as [unknown, unknown][]),
    },
  ],
  [
    'Set',
    {
      contentOf: (set) => [...(Set.prototype.values.call(set) as Iterable<unknown>)],
      make: (items) => new Set(items as unknown[]),
    },
  ],
  [
    'RegExp',
    {
      contentOf: (expression) => [sourceOf(expression), (expression as RegExp).flags],
      make: (content) => new RegExp(...(content as [string, string])),
    },
  ],
  [
    'URL',
    {
      // Read here, as some engines have no URL.
      contentOf: (url) => getter(URL.prototype, 'href')(url),
      make: (href) => new URL(href as string),
    },
  ],
  ['ArrayBuffer', { isBinary: true, contentOf: (buffer) => base64Of(bytesOf(buffer)), make: bufferOf }],
  ['Buffer', { isBinary: true, contentOf: base64OfView, make: (text) => Buffer.from(bufferOf(text)) }],
  ...viewNames.map((name): [string, BuiltIn] => [
    name,
    {
      isBinary: true,
      contentOf: base64OfView,
      make: (text) => new (platform[name] as ViewClass)(bufferOf(text)),
    },
  ]),
]);

function base64OfView(view: object): string {
  if (!ArrayBuffer.isView(view)) {
    throw new TypeError('The object is no view of a buffer.');
  }
  return base64Of(bytesOf(view.buffer, view.byteOffset, view.byteLength));
}

/** @throws TypeError for a shared, resizable or detached buffer: its bytes may change while they are read */
function bytesOf(buffer: object, offset = 0, length?: number): Uint8Array {
  if (typeof byteLengthOf(buffer) !== 'number' || (buffer as { resizable?: boolean }).resizable === true) {
    throw new TypeError('The buffer may change.');
  }
  return new Uint8Array(buffer as ArrayBuffer, offset, length);
}

function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (let start = 0; start < bytes.length; start += chunk) {
    binary += String.fromCharCode(...bytes.subarray(start, start + chunk));
  }
  return btoa(binary);
}

/** @throws DOMException if the text is no base64 */
function bufferOf(text: unknown): ArrayBuffer {
  return Uint8Array.from(atob(text as string), (character) => character.charCodeAt(0)).buffer;
}

function getter(prototype: object, name: string): (object: object) => unknown {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
  return (object) => descriptor.get!.call(object) as unknown;
}
