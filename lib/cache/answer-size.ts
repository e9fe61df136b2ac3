/** Bytes that an object, an array or a buffer takes without its content. */
const header = 32;

/** Bytes of a field, an element or an entry: a reference or a number. */
const slot = 16;

/** Text outside Latin-1 takes two bytes per character. */
const beyondLatin1 = /[^\u0000-\u00ff]/;

/**
 * Estimates the bytes that a value takes in memory: the characters of its texts, its buffers, and a flat rate for each
 * object and each part of it. An object that occurs twice counts once.
 *
 * @throws the error of a proxy that forbids reading
 */
export function sizeOfAnswer(value: unknown): number {
  const open: unknown[] = [value];
  const seen = new Set<object>();
  let bytes = 0;
  while (open.length > 0) {
    const part = open.pop();
    if (typeof part === 'string') {
      bytes += header + (beyondLatin1.test(part) ? 2 : 1) * part.length;
    } else if (typeof part === 'object' && part !== null && !seen.has(part)) {
      seen.add(part);
      bytes += header + bytesOfBuffer(part);
      for (const child of partsOf(part)) {
        bytes += slot;
        open.push(child);
      }
    }
  }
  return bytes;
}

function bytesOfBuffer(object: object): number {
  return isBuffer(object) ? object.byteLength : 0;
}

function isBuffer(object: object): object is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(object) || object instanceof ArrayBuffer;
}

function partsOf(object: object): Iterable<unknown> {
  if (isBuffer(object)) {
    return [];
  }
  if (Array.isArray(object) || object instanceof Set) {
    return object as Iterable<unknown>;
  }
  if (object instanceof Map) {
    return [...(object as Map<unknown, unknown>)].flat();
  }
  // Without calling getters. Hidden fields count too, such as the message of an error.
  return Object.values(Object.getOwnPropertyDescriptors(object)).map(({ value }): unknown => value);
}
