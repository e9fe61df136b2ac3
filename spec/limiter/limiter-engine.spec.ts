import { LimiterEngine, type EngineSettings } from '../../lib/limiter/limiter-engine';

const refused = Object.assign(new Error('busy'), { status: 429 });
const down = Object.assign(new Error('down'), { status: 503 });

/** An engine on a clock that is set by hand; it paces nothing unless it is asked to. */
function engineAt(settings: Partial<EngineSettings> = {}) {
  const clock = { time: 0, now: () => clock.time, schedule: () => () => undefined };
  const engine = new LimiterEngine(
    { base: 0, min: 0, max: 30_000, adaptive: false, budgets: [], classifyError: undefined, ...settings },
    clock,
  );
  return { clock, engine };
}

describe('LimiterEngine.isOpenAt', () => {
  const requests = { name: 'r', dimension: 'requests', limit: 60, window: 60_000 } as const;
  const cases: [string, boolean, Partial<EngineSettings>, (engine: LimiterEngine) => void][] = [
    ['is true where nothing paces, holds or bounds', true, {}, () => undefined],
    ['is false where there is a pace', false, { base: 1 }, () => undefined],
    [
      'is false where there is a budget, however much is left of it',
      false,
      { budgets: [requests] },
      () => undefined,
    ],
    ['is false while it is paused', false, {}, (engine) => (engine.isPaused = true)],
    ['is false while a refusal holds everybody', false, {}, (engine) => engine.failed(1, refused, 0)],
    [
      'is false in an outage',
      false,
      {},
      (engine) => {
        for (let id = 1; id <= 16; id++) {
          engine.failed(id, down, 0);
        }
      },
    ],
  ];
  it.each(cases)('%s', (_name, isOpen, settings, arrange) => {
    const { engine } = engineAt(settings);
    arrange(engine);
    expect(engine.isOpenAt(0)).toBe(isOpen);
  });

  it('is false with a learned rate, even where no interval may keep it', () => {
    const { clock, engine } = engineAt({ adaptive: true, max: 0 });
    for (let id = 1; id <= 200; id++) {
      clock.time += 50;
      engine.pass(1, undefined, 'permit-and-start', clock.time, id);
      if (id % 50 === 0) {
        engine.failed(id, refused, clock.time);
        clock.time += 1000;
      } else {
        engine.forget(id);
      }
    }
    clock.time += 20_000;
    expect(engine.learnedRate).toBeGreaterThan(0);
    expect(engine.heldUntil).toBeUndefined();
    expect(engine.isOpenAt(clock.time)).toBe(false);
  });
});

describe('LimiterEngine', () => {
  it.each([0, 1, -1, 64, 2 ** 33])('hears of a call %p that it has not started', (id) => {
    const { engine } = engineAt({ adaptive: true, base: 100 });
    const event = { type: 'finished', at: 0, id, attempt: 1, latency: 0, startedAt: 0 } as const;
    engine.observe({ ...event, result: 'failed', error: refused });
    expect(engine.currentInterval).toBe(200);
    expect(engine.heldUntil).toBeGreaterThan(0);
    expect(engine.outstanding).toBe(0);
  });

  it('takes the time between starts into account although nothing is asked when they may happen', () => {
    const { clock, engine } = engineAt({ adaptive: true, base: 1000, min: 0 });
    engine.pass(1, undefined, 'permit-and-start', 0, 1);
    engine.failed(1, refused, 0);
    for (clock.time = 50_000; clock.time <= 200_000; clock.time += 50_000) {
      engine.pass(1, undefined, 'permit-and-start', clock.time, clock.time);
    }
    expect(engine.currentInterval).toBe(2000);
  });
});
