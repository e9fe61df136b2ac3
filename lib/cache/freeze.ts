/** Answers that are frozen at every depth: that an object is frozen says nothing of its parts. */
const frozenThroughout = new WeakSet();

/**
 * Freezes plain objects and arrays at every depth, so that no reader of a shared answer can change it for the others.
 * Other values (class instances, buffers) stay as they are, and so does what is a part of the request, which is the
 * user's. There is no recursion, as answers may be deep.
 */
export function freezeAnswer<V>(answer: V, request?: unknown): V {
  if (isPlain(answer) && !frozenThroughout.has(answer)) {
    const partsOfRequest = partsOf(request);
    if (!partsOfRequest.has(answer)) {
      // The answer alone: to remember all parts takes more memory than many answers do.
      frozenThroughout.add(answer);
      for (const part of partsOf(answer, partsOfRequest)) {
        Object.freeze(part);
      }
    }
  }
  return answer;
}

const nothing: ReadonlySet<object> = new Set();

/** A value and all plain objects and arrays in it, but for some. */
function partsOf(value: unknown, but = nothing): ReadonlySet<object> {
  const parts = new Set<object>();
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    parts.add(value);
  }
  // The loop also comes to what is added meanwhile.
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
