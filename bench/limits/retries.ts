import type { Shape } from './shape';

/** Retries where the usual number would give requests up that are only refused by chance again and again. */
const manyRetries = 30;
/** Milliseconds; back-offs that double are not left to grow beyond it where there are so many. */
export const longestBackOff = 10_000;

/** How often a client tries again: as usual where only limits refuse, else {@link manyRetries} times. */
export function retriesFor({ otherReasons }: Shape, usual: number): number {
  return otherReasons ? manyRetries : usual;
}

/** The same for p-retry, whose default is ten retries from 1 s on, doubled each time. */
export function retryOptions(shape: Shape): { readonly retries: number; readonly maxTimeout?: number } {
  const retries = retriesFor(shape, 10);
  return shape.otherReasons ? { retries, maxTimeout: longestBackOff } : { retries };
}
