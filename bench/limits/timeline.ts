import type { RateLimiterState } from '../../lib/index';
import type { WatchedProvider } from './watched-provider';

/** What is counted, from the start or in one second. */
const counted = ['arrived', 'starts', 'limits', 'shed', 'never', 'at once', 'failed', 'answered'] as const;

/** Fields of a limiter's state that are long, or told by what is counted. */
const leftOut = new Set(['budgets', 'requests', 'tokens', 'queuedByPriority', 'callRate', 'queued']);

/** Says what a run does, second by second, and what the limiter thinks meanwhile; quiet seconds are left out. */
export class Timeline {
  readonly #write: (line: string) => void;
  #before: readonly number[] = counted.map(() => 0);
  #stateBefore = '';

  constructor(write: (line: string) => void) {
    this.#write = write;
    write(
      'Each second: arrivals, starts; refused by limits, shed, always refused, too many at once; failed, answered; ' +
        'waiting and running at its end; the state of the limiter.\n',
    );
    write(line(['s', ...counted, 'waiting', 'running'], ''));
  }

  /** As `StreamRunOptions.everySecond`; usable unbound. */
  readonly note = (at: number, provider: WatchedProvider, limiter: RateLimiterState | undefined): void => {
    const { starts, refuser, avoidable, failed, answered, running, arrived } = provider;
    const { shed, never, atOnce } = refuser;
    const now = [arrived, starts, avoidable - atOnce, shed, never, atOnce, failed, answered];
    const state = limiter ? JSON.stringify(scalarsOf(limiter)) : '';
    const inSecond = now.map((count, index) => count - this.#before[index]!);
    if (inSecond.every((count) => count === 0) && state === this.#stateBefore) return;
    const waiting = arrived - answered - running;
    this.#write(line([at, ...inSecond, waiting, running], state));
    this.#before = now;
    this.#stateBefore = state;
  };
}

function line(cells: readonly (string | number)[], state: string): string {
  return `${cells.map((cell) => String(cell).padStart(9)).join('')}  ${state}\n`;
}

/** The short fields of a state, and those of the objects in it by dotted names. */
function scalarsOf(state: object, path = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(state)
      .filter(([name]) => !leftOut.has(name))
      .flatMap(([name, value]: [string, unknown]) => {
        if (typeof value === 'object' && value !== null && path === '') {
          return Object.entries(scalarsOf(value, `${name}.`));
        }
        const isShort = typeof value === 'boolean' || (typeof value === 'string' && value.length <= 24);
        if (typeof value === 'number') return [[path + name, Number(value.toPrecision(4))]];
        return isShort ? [[path + name, value]] : [];
      }),
  );
}
