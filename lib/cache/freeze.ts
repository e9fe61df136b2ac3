/** Answers that are frozen at every depth. `Object.isFrozen` says nothing about the parts of an object. */
const frozenThroughout = new WeakSet();

/**
 * Freezes plain objects and arrays at every depth, so that no reader of a shared answer can change it for others. Other
 * values (class instances, buffers) and parts of the user's request stay as they are. It uses no recursion, as answers
 * may be deep.
 */
export function freezeAnswer<V>(answer: V, request?: unknown): V {
  if (isPlain(answer) && !frozenThroughout.has(answer)) {
    const partsOfRequest = partsOf(request);
    if (!partsOfRequest.has(answer)) {
      // Only the answer itself: remembering all parts takes more memory than many answers do.
      frozenThroughout.add(answer);
      for (const part of partsOf(answer, partsOfRequest)) {
        Object.freeze(part);
      }
    }
  }
  return answer;
}

const nothing: ReadonlySet<object> = new Set();

/** A value and all plain objects and arrays in it, except some. */
function partsOf(value: unknown, but = nothing): ReadonlySet<object> {
  const parts = new Set<object>();
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    parts.add(value);
  }
  // A set also iterates over items that are added during the loop.
  for (const part of parts) {
    for (const key of Object.keys(part)) {
      const inner = Object.getOwnPropertyDescriptor(part, key)?.value as unknown;
      if (isPlain(inner) && !but.has(inner)) {
        parts.add(inner);
      }
    }
  }
  return parts;
}

/** Whether a value is an array, or a plain object of any realm. */
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
