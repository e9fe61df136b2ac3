/** So much per interval (milliseconds). */
export interface Rate {
  readonly cap: number;
  readonly interval: number;
}

/** What becomes of the true limit on its way into a client's config. */
export type Telling = (limit: Rate) => Rate;

export const asIs: Telling = (limit) => limit;

/** A quarter more, by a shorter interval where the cap would not be whole. */
export const tooHigh: Telling = ({ cap, interval }) =>
  Number.isInteger(cap * 1.25) ? { cap: cap * 1.25, interval } : { cap, interval: interval / 1.25 };

/**
 * What one can know of a request's tokens before it is sent: those of the prompt, at four characters each, and an
 * answer of the usual length.
 */
export function expectedTokens(request: { readonly prompt: string }): number {
  return Math.ceil(request.prompt.length / 4) + 100;
}
