import { adviceOn } from '../../demos/tuning/advice';
import { CallStats } from '../../lib/index';

const figures = (changes: Partial<ReturnType<CallStats['snapshot']>['metrics']>): string[] =>
  adviceOn({ metrics: { ...new CallStats().snapshot().metrics, ...changes } });

describe('advice', () => {
  it('is none while there are few figures', () => {
    expect(figures({})).toEqual([]);
    expect(figures({ cacheMisses: 10, totalCalls: 10, throttledCalls: 10, failedCalls: 2 })).toEqual([]);
  });

  it('is none while nothing was answered', () => {
    expect(figures({ cacheMisses: 48, totalCalls: 48, throttledCalls: 47, startedCalls: 9 })).toEqual([]);
  });

  it('is about the cache where few look-ups hit, and about the limits where most requests wait', () => {
    expect(figures({ cacheMisses: 20, totalCalls: 20, answeredCalls: 20, throttledCalls: 11 })).toEqual([
      expect.stringContaining('Few look-ups hit'),
      expect.stringContaining('wait for the pace'),
    ]);
  });

  it('is about the failures alone where most calls fail', () => {
    const changes = { cacheMisses: 20, totalCalls: 20, throttledCalls: 20, answeredCalls: 4, failedCalls: 5 };
    expect(figures(changes)).toEqual([expect.stringContaining('Most calls fail')]);
    expect(figures({ ...changes, failedCalls: 0, startedCalls: 9, retriedCalls: 5 })).toEqual([
      expect.stringContaining('Most calls fail'),
    ]);
  });
});
