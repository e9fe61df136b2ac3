import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { Bench, hrtimeNow } from 'tinybench';
import { median, type Timing } from '../shared/medians';

/** One way to do the same thing. */
export interface Contender {
  readonly name: string;
  /** Operations in one run; few enough that it is seldom interrupted by what else the machine does. */
  readonly operations: number;
  /** Whether `run` returns a promise. */
  readonly isAsync?: boolean;
  readonly run: () => unknown;
}

/** How long contenders are timed. */
export interface TimingPlan {
  readonly rounds: number;
  /** Runs of each contender in each round. */
  readonly samples: number;
}

/** Runs of each contender before it is timed: by count, as a busy machine compiles late by the clock. */
const warmUp = 200;

/**
 * Times contenders in turns, every other round backwards, so that what else the machine does meanwhile strikes all of
 * them alike.
 */
export async function timeInTurns(
  contenders: readonly Contender[],
  { rounds, samples }: TimingPlan,
): Promise<Timing[]> {
  const measured = contenders.map((): number[] => []);
  const order = contenders.map((contender, index) => ({ contender, times: measured[index]! }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { contender, times } of round % 2 === 0 ? order : [...order].reverse()) {
      times.push(await timeOnce(contender, samples, round === 0));
      // What is synchronous would keep Ctrl-C from being heard.
      await turnOfTheEventLoop();
    }
  }
  return contenders.map(({ name }, index) => {
    const times = measured[index]!;
    return { name, microseconds: median(times), rounds: times };
  });
}

async function timeOnce(contender: Contender, samples: number, isFirst: boolean): Promise<number> {
  const bench = new Bench({
    now: hrtimeNow,
    time: 0,
    iterations: samples,
    throws: true,
    warmup: isFirst,
    warmupTime: 0,
    warmupIterations: warmUp,
  });
  bench.add(contender.name, contender.run, { async: contender.isAsync ?? false });
  const [task] = await bench.run();
  const result = task?.result;
  if (result?.state !== 'completed') throw new Error(`${contender.name} was not measured.`);
  return (result.latency.p50 * 1_000) / contender.operations;
}
