import { inBursts } from '../field-shapes';
import type { OtherReasons, ShapeRequest } from '../shape';
import type { Chance } from './chance';

/** Why a drawn provider refuses calls that its limits would admit. */
export interface DrawnReasons {
  readonly reasons: OtherReasons;
  readonly kinds: readonly string[];
  readonly descriptions: readonly string[];
}

/** Draws load that is shed and requests that are always refused. */
export function drawOtherReasons(
  chance: Chance,
  requests: readonly ShapeRequest[],
  hasHints: boolean,
): DrawnReasons {
  const kinds: string[] = [];
  const descriptions: string[] = [];
  let shedding: OtherReasons['shedding'];
  if (chance.isIn(0.4)) {
    const isBursty = chance.isIn(0.3);
    const high = isBursty ? chance.between(0.3, 0.7) : chance.oneOf([0.02, 0.05, 0.1, 0.2, 0.3, 0.5]);
    const low = isBursty ? chance.oneOf([0, 0.02]) : high;
    const retryAfter = hasHints && chance.isIn(0.5) ? chance.oneOf([1_000, 2_000, 5_000]) : undefined;
    shedding = {
      share: inBursts(high, low),
      ...(retryAfter !== undefined && { retryAfter }),
    };
    kinds.push(isBursty ? 'shed in bursts' : high <= 0.1 ? 'shed up to 10 %' : 'shed 20 to 50 %');
    descriptions.push(
      `${(100 * high).toFixed(0)} % shed${isBursty ? ` in 20 s of each minute, ${100 * low} % else` : ''}` +
        (retryAfter === undefined ? '' : `, told ${retryAfter / 1_000} s`),
    );
  }
  let never: OtherReasons['never'];
  if (chance.isIn(0.15)) {
    const every = Math.round(chance.logBetween(50, 200));
    const first = Math.floor(chance.between(0, Math.min(every, requests.length)));
    never = new Set(requests.filter((_, index) => index % every === first).map(({ prompt }) => prompt));
    kinds.push('always refused');
    descriptions.push(`one in ${every} always refused`);
  }
  return {
    reasons: { ...(shedding && { shedding }), ...(never && { never }) },
    kinds,
    descriptions,
  };
}
