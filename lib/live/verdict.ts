import type { ErrorKind, StatsSnapshot } from 'rxllm';
import { errorHints, gateAdvice } from './hints';
import type { Verdict } from './live-state';

/** Milliseconds: a longer wait is a warning, a longer time without a start is bad. */
const longWait = 30_000;
const longHold = 60_000;

export interface LastMinute {
  readonly errors: Readonly<Partial<Record<ErrorKind, number>>>;
  /** Calls that ended. */
  readonly calls: number;
}

/** Kinds that only say that requests wait. The gate that holds them says why. */
const ofWaiting: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'deadline-exceeded',
  'queue-overflow',
  'quota-spent',
]);
/** Kinds that are no problem: refusals are retried. */
const harmless: ReadonlySet<ErrorKind> = new Set<ErrorKind>(['rate-limited', 'closed']);

/** Says what holds the next request, until when, and what to do. */
export function verdictOf(
  snapshot: StatsSnapshot,
  { errors, calls }: LastMinute,
  isClosed: boolean,
): Verdict {
  const { at, metrics, rateLimiter, executor } = snapshot;
  const { next, heldUntil } = rateLimiter;
  if (isClosed) {
    return { tone: 'idle', text: 'The optimizer is closed: these are its last figures.', advice: '' };
  }
  if (metrics.totalCalls === 0) {
    return {
      tone: 'idle',
      text: 'No request has come yet.',
      advice: 'Send one, and it shows here within a second.',
    };
  }
  const all = (Object.entries(errors) as [ErrorKind, number][]).sort(([, one], [, other]) => other - one);
  const [failure, failures = 0] = all.find(([kind]) => !ofWaiting.has(kind) && !harmless.has(kind)) ?? [];
  const [waited, givenUp = 0] = all.find(([kind]) => ofWaiting.has(kind)) ?? [];
  const vain = givenUp > 0 ? ` Requests fail because of it: ${givenUp} in the last minute (${waited!}).` : '';
  if (failure && failures * 2 > calls && next?.gate !== 'hold' && next?.gate !== 'outage') {
    const text = `${failures} of ${Math.max(calls, failures)} calls of the last minute failed (${failure}).`;
    return { tone: 'bad', text, advice: errorHints[failure] };
  }
  if (next) {
    const { gate, reason, opensAt } = next;
    const isStuck = gate === 'hold' || gate === 'outage' || (opensAt ?? at) - at > longHold;
    return {
      tone: isStuck || vain ? 'bad' : gate === 'pause' || executor.oldestWait > longWait ? 'warning' : 'good',
      text: reason + vain,
      ...(opensAt !== undefined && { until: opensAt }),
      advice: gateAdvice[gate],
    };
  }
  if (heldUntil !== undefined && heldUntil > at) {
    const text = `The provider serves nothing for now.${vain}`;
    return { tone: 'bad', text, until: heldUntil, advice: errorHints['quota-spent'] };
  }
  if (executor.queued > 0) {
    const text = `${counted(executor.queued, 'request')} in back-off after a failure; nothing else waits.`;
    return { tone: 'warning', text, advice: 'Nothing to do: they are retried by themselves.' };
  }
  return executor.active > 0
    ? { tone: 'good', text: `Nothing waits; ${counted(executor.active, 'call')} running.`, advice: '' }
    : { tone: 'idle', text: 'Nothing waits and nothing runs.', advice: '' };
}

function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun} is` : `${count} ${noun}s are`;
}
