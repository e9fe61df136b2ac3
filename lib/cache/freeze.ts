/** A frozen object says nothing about what it holds, so answers that were frozen all the way down are remembered. */
const frozenThroughout = new WeakSet();

/**
 * Freezes plain objects and arrays all the way down, so that whoever shares a cached answer cannot change it for the
 * others; other values (class instances, buffers) are shared as they are. Without recursion, as answers may be deep.
 */
export function freezeAnswer<V>(answer: V): V {
  if (typeof answer === 'object' && isPlain(answer)) {
    freezeThroughout(answer);
  }
  return answer;
}

function freezeThroughout(answer: object): void {
  if (frozenThroughout.has(answer)) {
    return;
  }
  // Only the answer itself: to remember each of its parts would take more memory than many an answer.
  frozenThroughout.add(answer);
  const open: object[] = [answer];
  const seen = new Set(open);
  for (let value = open.pop(); value; value = open.pop()) {
    Object.freeze(value);
    for (const key of Object.keys(value)) {
      const part = Object.getOwnPropertyDescriptor(value, key)!.value as unknown;
      if (isPlain(part) && !seen.has(part)) {
        seen.add(part);
        open.push(part);
      }
    }
  }
}

/** Whether a value is an array, or an object that was written as `{}` in any realm. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  if (Array.isArray(value)) {
    return true;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
