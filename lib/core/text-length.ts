/** Bounds how many values are visited in a very large request. */
const mostValues = 10_000;

/** The number of characters of all strings in a request of plain objects and lists. Token estimates use it. */
export function textLength(request: unknown): number {
  if (typeof request === 'string') {
    return request.length;
  }
  let length = 0;
  const values: unknown[] = [request];
  for (let index = 0; index < Math.min(values.length, mostValues); index++) {
    const value = values[index];
    if (typeof value === 'string') {
      length += value.length;
    } else if (Array.isArray(value) || isPlain(value)) {
      values.push(...(Object.values(value) as unknown[]).slice(0, mostValues));
    }
  }
  return length;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
