/** Answers that are frozen at every depth: that an object is frozen says nothing of its parts. */
const frozenThroughout = new WeakSet();

/**
 * Freezes plain objects and arrays at every depth, so that no reader of a shared answer can change it for the others.
 * Other values (class instances, buffers) stay as they are. There is no recursion, as answers may be deep.
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
  // The answer alone: to remember all parts takes more memory than many answers do.
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
