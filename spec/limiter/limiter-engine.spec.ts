import { LimiterEngine, type EngineSettings } from '../../lib/limiter/limiter-engine';

const refused = Object.assign(new Error('busy'), { status: 429 });

/** An engine whose clock stands still; it paces nothing unless it is asked to. */
function engineAt(settings: Partial<EngineSettings> = {}) {
  const clock = { now: () => 0, date: () => 0, schedule: () => () => undefined };
  const engine = new LimiterEngine(
    { base: 0, min: 0, max: 30_000, adaptive: false, budgets: [], classifyError: undefined, ...settings },
    clock,
  );
  return { engine };
}

describe('LimiterEngine', () => {
  it.each([0, 1, -1, 64, 2 ** 33])('hears of a call %p that it has not started', (id) => {
    const { engine } = engineAt({ adaptive: true, base: 100 });
    const event = { type: 'finished', at: 0, id, attempt: 1, latency: 0, startedAt: 0 } as const;
    engine.observe({ ...event, result: 'failed', error: refused });
    expect(engine.state.heldUntil).toBeGreaterThan(0);
    expect(engine.outstanding).toBe(0);
  });
});
