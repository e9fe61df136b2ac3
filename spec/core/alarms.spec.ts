import * as fc from 'fast-check';
import { Alarms, type Alarm } from '../../lib/core/alarms';
import { clockFrom } from '../../lib/core/scheduler-clock';
import { inVirtualTime } from '../test-scheduler';

describe('Alarms', () => {
  it('ring every alarm that was not cancelled at its time, and leave no timer', () => {
    const plans = fc.array(fc.record({ time: fc.nat(500), cancelledAt: fc.option(fc.nat(500)) }), {
      maxLength: 120,
    });
    fc.assert(
      fc.property(plans, (given) => {
        const rang: string[] = [];
        const lastWorkAt = inVirtualTime((scheduler) => {
          const alarms = new Alarms(clockFrom(scheduler));
          given.forEach(({ time, cancelledAt }, index) => {
            const alarm: Alarm = alarms.set(time, () => rang.push(`${index} at ${scheduler.now()}`));
            if (cancelledAt !== null && cancelledAt < time) {
              scheduler.schedule(() => alarms.cancel(alarm), cancelledAt);
            }
          });
          scheduler.flush();
          return scheduler.lastWorkAt;
        });
        const due = given.flatMap(({ time, cancelledAt }, index) =>
          cancelledAt !== null && cancelledAt < time ? [] : [`${index} at ${time}`],
        );
        expect([...rang].sort()).toEqual(due.sort());
        const ends = given.map(({ time, cancelledAt }) => Math.min(time, cancelledAt ?? time));
        expect(lastWorkAt).toBeLessThanOrEqual(Math.max(0, ...ends));
      }),
    );
  });

  it('hold one timer for all, and none once all are cancelled or cleared', () => {
    inVirtualTime((scheduler) => {
      const alarms = new Alarms(clockFrom(scheduler));
      const ring = jest.fn();
      const set = [30, 10, 20].map((time) => alarms.set(time, ring));
      set.forEach((alarm) => alarms.cancel(alarm));
      alarms.set(5, ring);
      alarms.clear();
      scheduler.flush();
      expect(ring).not.toHaveBeenCalled();
      expect(scheduler.lastWorkAt).toBe(0);
    });
  });
});
