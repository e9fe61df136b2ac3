/** A frozen object says nothing about what it holds, so those that were frozen all the way down are remembered. */
const frozenThroughout = new WeakSet();

/**
 * Freezes plain objects and arrays all the way down, so that whoever shares a cached answer cannot change it for the
 * others; other values (class instances, buffers) are shared as they are. Without recursion, as answers may be deep.
 */
export function freezeAnswer<V>(answer: V): V {
  const open: unknown[] = [answer];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === 'object' && value !== null && !frozenThroughout.has(value) && isPlain(value)) {
      frozenThroughout.add(value);
      Object.freeze(value);
      for (const key of Object.keys(value)) {
        open.push(Object.getOwnPropertyDescriptor(value, key)!.value as unknown);
      }
    }
  }
  return answer;
}

function isPlain(value: object): boolean {
  if (Array.isArray(value)) {
    return true;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
