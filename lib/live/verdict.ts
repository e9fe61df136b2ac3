import type { ErrorKind, StatsSnapshot } from '../index';
import { errorHints, gateAdvice } from './hints';
import type { Verdict } from './live-state';

/** Milliseconds: when somebody has waited for longer, it is worth a look. */
const longWait = 30_000;

/** What happened in the last minute. */
export interface LastMinute {
  readonly errors: Readonly<Partial<Record<ErrorKind, number>>>;
  /** Calls that ended. */
  readonly calls: number;
}

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
      advice: 'Send one: it shows here within a second.',
    };
  }
  const [kind, count] = worstOf(errors);
  if (kind && count * 2 > calls && next?.gate !== 'hold' && next?.gate !== 'outage') {
    const text = `${count} of ${Math.max(calls, count)} calls of the last minute failed: ${kind}.`;
    return { tone: 'bad', text, ...(heldUntil && { until: heldUntil }), advice: errorHints[kind] };
  }
  if (next) {
    const isStuck = next.gate === 'hold' || next.gate === 'outage';
    return {
      tone: isStuck ? 'bad' : next.gate === 'pause' || executor.oldestWait > longWait ? 'warning' : 'good',
      text: next.reason,
      ...(next.opensAt !== undefined && { until: next.opensAt }),
      advice: gateAdvice[next.gate],
    };
  }
  if (heldUntil !== undefined && heldUntil > at) {
    const text =
      'The provider lets nothing through, and nobody waits for it: who may not wait so long fails at once.';
    return { tone: 'bad', text, until: heldUntil, advice: errorHints['quota-spent'] };
  }
  if (executor.queued > 0) {
    const text = `${counted(executor.queued, 'request')} in back-off after a failure; nothing else waits.`;
    return { tone: 'warning', text, advice: 'Nothing to do: they are tried again by themselves.' };
  }
  return executor.active > 0
    ? { tone: 'good', text: `Nothing waits; ${counted(executor.active, 'call')} running.`, advice: '' }
    : { tone: 'idle', text: 'Nothing waits and nothing runs.', advice: '' };
}

function worstOf(errors: LastMinute['errors']): [kind: ErrorKind | undefined, count: number] {
  // What is refused is tried again, and says nothing of what is wrong.
  const failures = Object.entries(errors).filter(([kind]) => kind !== 'rate-limited') as [
    ErrorKind,
    number,
  ][];
  return failures.sort(([, one], [, other]) => other - one)[0] ?? [undefined, 0];
}

function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun} is` : `${count} ${noun}s are`;
}
