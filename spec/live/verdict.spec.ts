import { CallStats, type StatsSnapshot } from '../../lib/index';
import { errorHints, gateAdvice } from '../../lib/live/hints';
import type { Verdict } from '../../lib/live/live-state';
import { verdictOf, type LastMinute } from '../../lib/live/verdict';

const empty = new CallStats().snapshot();
const calm: LastMinute = { errors: {}, calls: 100 };
const at = 1_000_000;

function snapshotWith(rateLimiter: object, executor: object = {}): StatsSnapshot {
  return {
    ...empty,
    at,
    metrics: { ...empty.metrics, totalCalls: 10 },
    rateLimiter: { ...empty.rateLimiter, ...rateLimiter },
    executor: { ...empty.executor, ...executor },
  };
}

const pace = { gate: 'pace', reason: 'The pace.', opensAt: at + 100 };
const hold = { gate: 'hold', reason: 'All are held.', opensAt: at + 9000 };

describe('the verdict', () => {
  it.each<[string, StatsSnapshot, LastMinute, Partial<Verdict>]>([
    ['nothing has come', { ...empty, at }, calm, { tone: 'idle', text: 'No request has come yet.' }],
    [
      'nothing waits or runs',
      snapshotWith({}),
      calm,
      { tone: 'idle', text: 'Nothing waits and nothing runs.' },
    ],
    [
      'one call runs',
      snapshotWith({}, { active: 1 }),
      calm,
      { tone: 'good', text: 'Nothing waits; 1 call is running.' },
    ],
    [
      'some are in back-off',
      snapshotWith({}, { queued: 2 }),
      calm,
      { tone: 'warning', text: '2 requests are in back-off after a failure; nothing else waits.' },
    ],
    [
      'the pace holds the next',
      snapshotWith({ next: pace }, { queued: 1 }),
      calm,
      { tone: 'good', text: 'The pace.', until: at + 100, advice: gateAdvice.pace },
    ],
    ['somebody waits long', snapshotWith({ next: pace }, { oldestWait: 30_001 }), calm, { tone: 'warning' }],
    [
      'it is paused',
      snapshotWith({ next: { gate: 'pause', reason: 'Paused.' } }),
      calm,
      { tone: 'warning', text: 'Paused.' },
    ],
    [
      'all are held',
      snapshotWith({ next: hold }),
      calm,
      { tone: 'bad', text: 'All are held.', until: at + 9000 },
    ],
    [
      'a budget opens tomorrow',
      snapshotWith({ next: { gate: 'budget', reason: 'Spent.', opensAt: at + 86_400_000 } }),
      calm,
      { tone: 'bad', text: 'Spent.' },
    ],
    [
      'requests are given up behind a gate',
      snapshotWith({ next: pace }),
      { errors: { 'deadline-exceeded': 7, 'rate-limited': 90 }, calls: 100 },
      {
        tone: 'bad',
        text: 'The pace. Requests fail because of it: 7 in the last minute (deadline-exceeded).',
      },
    ],
    [
      'a quota is spent and nobody may wait for it',
      snapshotWith({ heldUntil: at + 5000 }),
      { errors: { 'quota-spent': 3 }, calls: 0 },
      { tone: 'bad', until: at + 5000, advice: errorHints['quota-spent'] },
    ],
    [
      'most calls fail',
      snapshotWith({ next: pace }),
      { errors: { unauthorized: 60, 'bad-request': 1 }, calls: 100 },
      {
        tone: 'bad',
        text: '60 of 100 calls of the last minute failed (unauthorized).',
        advice: errorHints.unauthorized,
      },
    ],
    [
      'most calls are refused, which the gate explains',
      snapshotWith({ next: pace }),
      { errors: { 'rate-limited': 90 }, calls: 100 },
      { tone: 'good', text: 'The pace.' },
    ],
    [
      'most calls fail in an outage, which the gate explains',
      snapshotWith({ next: { gate: 'outage', reason: 'Most failed.' } }),
      { errors: { overloaded: 90 }, calls: 100 },
      { tone: 'bad', text: 'Most failed.', advice: gateAdvice.outage },
    ],
  ])('when %s', (_name, snapshot, lastMinute, expected) => {
    expect(verdictOf(snapshot, lastMinute, false)).toMatchObject(expected);
  });

  it('is that it is over once the optimizer is closed', () => {
    const { tone, text } = verdictOf(snapshotWith({ next: hold }), calm, true);
    expect([tone, text]).toEqual(['idle', 'The optimizer is closed: these are its last figures.']);
  });
});
