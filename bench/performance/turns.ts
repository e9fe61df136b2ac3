import { median } from '../shared/medians';
import { progress } from '../shared/progress';
import type { BenchCall, Contender } from './contenders';
import { requestsOf, sumOf } from './requests';

/** What one contender takes for calls at one size. */
export type Cost =
  | {
      /** Microseconds a call in each round; only one where a run is slow. */
      readonly rounds: readonly number[];
      /** The median of them. */
      readonly microseconds: number;
      /** How many times as much as a run of another takes that comes right before or after; where a plan names that one. */
      readonly timesBeside?: number;
    }
  | {
      /** Seconds that a run would take, by how the smaller sizes grow. */
      readonly estimated: number;
    }
  | 'left out'
  | {
      /** A run was stopped after so many seconds. */
      readonly stoppedAfter: number;
    };

/** How calls are timed at one size. */
export interface SizePlan {
  readonly size: number;
  readonly rounds: number;
  /** Runs of each contender in each round, of which the median counts. */
  readonly samples: number;
  /** Whose run comes right before or after each run of the others: some machines change their pace from second to second. */
  readonly beside?: Contender;
  /** Who is asked for so many; all by default. */
  readonly only?: readonly Contender[];
}

/** How long a contender may take. */
export interface Limits {
  /** Seconds that one run may take. */
  readonly run: number;
  /** Seconds above which a run is made only once. */
  readonly slow: number;
}

/** How long a run of so many calls took. */
export interface Observed {
  readonly size: number;
  readonly seconds: number;
}

/** Sizes whose times tell how a contender grows before it is asked for more. */
const probeSizes = [1_000, 3_000] as const;

/** Each contender runs at the smallest size until so many seconds are gone, or so often. */
const warmUp = { seconds: 0.25, runs: 40 } as const;

/** Runs that do not count at the start of a turn, and the seconds after which there are no more of them. */
const recovery = { runs: 6, seconds: 0.3 } as const;

/** Calls between two looks at the clock. */
const lookMask = 255;

/**
 * Times contenders at each size in turns: in every round each of them once, another one first each time, so that what
 * else the machine does meanwhile strikes all of them alike. What would take too long is not begun, and what takes
 * too long all the same is stopped.
 *
 * By hand and not by tinybench: each run needs new requests, a collection before it and a way to be stopped.
 */
export async function timeInTurns(
  contenders: readonly Contender[],
  sizes: readonly SizePlan[],
  limits: Limits,
): Promise<Map<Contender, Map<number, Cost>>> {
  const known = new Map<Contender, Observed[]>();
  const open = await Promise.all(contenders.map(keepOneOpen));
  for (const contender of contenders) {
    progress(`${contender.name}: warming up`);
    known.set(contender, await probe(contender, limits));
  }
  const costs = new Map(contenders.map((contender) => [contender, new Map<number, Cost>()]));
  for (const plan of sizes) {
    const times = await timeAtSize(contenders, plan, limits, known);
    for (const [contender, cost] of times) costs.get(contender)!.set(plan.size, cost);
  }
  progress('');
  for (const close of open) close();
  return costs;
}

/** How growth is timed. */
export interface GrowthPlan {
  /** The size that the others are compared with, and how many runs of it are made each time. */
  readonly few: { readonly size: number; readonly samples: number };
  /** From the least to the largest. */
  readonly more: readonly number[];
  readonly rounds: number;
}

/**
 * Times contenders at several sizes, and with few requests before and after each run with more: some machines change
 * their pace from second to second, which must not pass for growth.
 */
export async function timeGrowth(
  contenders: readonly Contender[],
  { few, more, rounds }: GrowthPlan,
  limits: Limits,
): Promise<Map<Contender, Map<number, Cost>>> {
  const open = await Promise.all(contenders.map(keepOneOpen));
  const growths = new Map<Contender, Growth>();
  for (const contender of contenders) {
    progress(`${contender.name}: warming up`);
    const known = await probe(contender, limits);
    growths.set(contender, { known, few: [], more: more.map((size) => ({ size, times: [], ratios: [] })) });
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of rotated(contenders, round)) {
      progress(`growth, round ${round + 1} of ${rounds}: ${contender.name}`);
      await timeSizes(contender, few, growths.get(contender)!, limits);
    }
  }
  progress('');
  for (const close of open) close();
  return new Map([...growths].map(([contender, growth]) => [contender, costsOf(few.size, growth)] as const));
}

/** What is known of how one contender grows. */
interface Growth {
  readonly known: Observed[];
  /** Microseconds a call among few. */
  readonly few: number[];
  readonly more: readonly GrowthAtSize[];
}

interface GrowthAtSize {
  readonly size: number;
  /** Microseconds a call in each round. */
  readonly times: number[];
  /** How many times as much as among few, in each round. */
  readonly ratios: number[];
  /** Why it is not timed. */
  untimed?: Cost;
}

/** One round of one contender: all sizes, with few before and after each. */
async function timeSizes(
  contender: Contender,
  { size: few, samples }: GrowthPlan['few'],
  growth: Growth,
  limits: Limits,
): Promise<void> {
  const { known } = growth;
  const timeFew = async () => {
    let total = 0;
    for (let run = 0; run < samples; run += 1) {
      // No collection before each: a long run has those that its garbage brings, so these must have them as well.
      total += (await timeOnce(contender, few, limits.run, run === 0)) ?? Infinity;
    }
    known.push({ size: few, seconds: total / samples });
    growth.few.push((total * 1e6) / (samples * few));
    return growth.few.at(-1)!;
  };
  await recover(contender, known, limits);
  let before = await timeFew();
  for (const at of growth.more) {
    const { size } = at;
    const estimated = estimate(known, size);
    if (at.times.length === 0 && estimated > limits.run) at.untimed ??= { estimated };
    if (at.untimed) continue;
    const seconds = await timeOnce(contender, size, limits.run);
    if (seconds === undefined) {
      at.untimed = { stoppedAfter: limits.run };
      // So that what takes longer still is not begun.
      known.push({ size, seconds: limits.run });
      continue;
    }
    const after = await timeFew();
    const time = (seconds * 1e6) / size;
    at.times.push(time);
    at.ratios.push(time / ((before + after) / 2));
    known.push({ size, seconds });
    before = after;
  }
}

function costsOf(fewest: number, { few, more }: Growth): Map<number, Cost> {
  const costs = new Map<number, Cost>([[fewest, { rounds: few, microseconds: median(few) }]]);
  for (const { size, times, ratios, untimed } of more) {
    costs.set(size, untimed ?? { rounds: times, microseconds: median(times), timesBeside: median(ratios) });
  }
  return costs;
}

/**
 * Lets one run of a contender go on for ever, as in a program that runs: what is compiled is tied to shapes of objects,
 * and a collection throws it away where no such object is left, so that the next calls would cost several times as much.
 */
async function keepOneOpen(contender: Contender): Promise<() => void> {
  const prepared = await contender.prepare();
  prepared.run(requestsOf(2, contender), () => new Promise<never>(() => undefined)).catch(() => undefined);
  return () => prepared.close?.();
}

async function timeAtSize(
  contenders: readonly Contender[],
  { size, rounds, samples, beside, only = contenders }: SizePlan,
  limits: Limits,
  known: ReadonlyMap<Contender, Observed[]>,
): Promise<Map<Contender, Cost>> {
  const costs = new Map<Contender, Cost>();
  const measured = new Map<Contender, number[]>();
  const timesBeside = new Map<Contender, number[]>();
  for (const contender of contenders) {
    if (!only.includes(contender)) {
      costs.set(contender, 'left out');
      continue;
    }
    const estimated = estimate(known.get(contender)!, size);
    if (estimated > limits.run) costs.set(contender, { estimated });
    else {
      measured.set(contender, []);
      timesBeside.set(contender, []);
    }
  }
  const slow = new Set<Contender>();
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of rotated([...measured.keys()], round)) {
      if (costs.has(contender) || (round > 0 && slow.has(contender))) continue;
      progress(`${size.toLocaleString('en')} calls, round ${round + 1} of ${rounds}: ${contender.name}`);
      const isLong = estimate(known.get(contender)!, size) > limits.slow;
      const rival = beside === contender ? undefined : beside;
      if (rival) await recover(rival, known.get(rival)!, limits);
      if (!isLong) await recover(contender, known.get(contender)!, limits);
      const seconds: number[] = [];
      while (seconds.length < samples && !slow.has(contender)) {
        const isRivalFirst = (round + seconds.length) % 2 === 0;
        const before = rival && isRivalFirst ? await timeOnce(rival, size, limits.run) : undefined;
        const time = await timeOnce(contender, size, limits.run);
        if (time === undefined) {
          costs.set(contender, { stoppedAfter: limits.run });
          break;
        }
        seconds.push(time);
        const other = rival && !isRivalFirst ? await timeOnce(rival, size, limits.run) : before;
        if (other !== undefined) timesBeside.get(contender)!.push(time / other);
        if (time > limits.slow) slow.add(contender);
      }
      if (seconds.length > 0) measured.get(contender)!.push((median(seconds) * 1e6) / size);
    }
  }
  for (const [contender, times] of measured) {
    if (costs.has(contender)) continue;
    const microseconds = median(times);
    const ratios = timesBeside.get(contender)!;
    costs.set(contender, {
      rounds: times,
      microseconds,
      ...(ratios.length > 0 && { timesBeside: median(ratios) }),
    });
    // The quickest, as a busy machine makes some of them slow.
    known.get(contender)!.push({ size, seconds: (Math.min(...times) * size) / 1e6 });
  }
  return costs;
}

/** Warms a contender up, and tells how long it then takes for few calls. */
async function probe(contender: Contender, limits: Limits): Promise<Observed[]> {
  let spent = 0;
  for (let run = 0; run < warmUp.runs && spent < warmUp.seconds; run += 1) {
    spent += (await timeOnce(contender, probeSizes[0], limits.run)) ?? Infinity;
  }
  const observed: Observed[] = [];
  for (const size of probeSizes) {
    const times: number[] = [];
    while (times.length < 3 && (times[0] ?? 0) < warmUp.seconds) {
      times.push((await timeOnce(contender, size, limits.run)) ?? Infinity);
    }
    observed.push({ size, seconds: Math.min(...times) });
  }
  return observed;
}

/** Makes a contender as quick again as it was before the others had their turns. */
async function recover(contender: Contender, known: readonly Observed[], limits: Limits): Promise<void> {
  const { size } =
    known
      .slice(0, probeSizes.length)
      .reverse()
      .find(({ seconds }) => seconds < 0.1) ?? known[0]!;
  let spent = 0;
  for (let run = 0; run < recovery.runs && spent < recovery.seconds; run += 1) {
    spent += (await timeOnce(contender, size, limits.run)) ?? Infinity;
  }
}

/**
 * Seconds that a run will take if it grows from the last size as it grew to that from one a tenth as large: at least
 * as the number of calls does, at most as its square.
 */
export function estimate(observed: readonly Observed[], size: number): number {
  const larger = observed.at(-1);
  if (!larger) throw new Error('One size must have been measured.');
  const smaller = observed.filter((one) => one.size <= larger.size / 10).at(-1);
  const power = smaller
    ? Math.log(larger.seconds / smaller.seconds) / Math.log(larger.size / smaller.size)
    : 1;
  return larger.seconds * (size / larger.size) ** Math.min(2, Math.max(1, power));
}

/**
 * Seconds that one run takes, with new requests; undefined if it takes more than it may.
 * @param collectsBefore whether what is young is collected first
 * @throws Error if an answer is missing or wrong
 */
export async function timeOnce(
  contender: Contender,
  size: number,
  most: number,
  collectsBefore = true,
): Promise<number | undefined> {
  const requests = requestsOf(size, contender);
  const prepared = await contender.prepare();
  const { call, isLate, start } = boundedCall(most);
  // Only what is young: see `recover`.
  if (collectsBefore) globalThis.gc?.({ type: 'minor' });
  const startedAt = start();
  const sum = await Promise.race([prepared.run(requests, call), isLate]);
  const seconds = (performance.now() - startedAt) / 1_000;
  prepared.close?.();
  if (sum === undefined) return undefined;
  if (sum !== sumOf(requests)) throw new Error(`${contender.name}: the answers to ${size} calls are wrong.`);
  return seconds;
}

/** A call that resolves at once, until time is up: then it never does, so that nothing more is begun. */
function boundedCall(seconds: number) {
  let deadline = Infinity;
  let made = 0;
  let giveUp: () => void = () => undefined;
  const isLate = new Promise<undefined>((resolve) => {
    giveUp = () => resolve(undefined);
  });
  const call: BenchCall = async (request) => {
    made += 1;
    if ((made & lookMask) === 0 && performance.now() > deadline) {
      giveUp();
      return new Promise<never>(() => undefined);
    }
    return request.id;
  };
  return {
    call,
    isLate,
    start: () => {
      const now = performance.now();
      deadline = now + seconds * 1_000;
      return now;
    },
  };
}

function rotated<T>(values: readonly T[], by: number): T[] {
  // A step of a third, so that neighbours change sides early where there are few rounds.
  const first = values.length === 0 ? 0 : (by * Math.ceil(values.length / 3)) % values.length;
  return [...values.slice(first), ...values.slice(0, first)];
}
