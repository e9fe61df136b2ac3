/**
 * Runs the contenders of the performance bench with few calls, in a program of its own as the bench does: most of the
 * others come as modules that the specs cannot load.
 *
 * Started by performance.spec.ts; prints what it found as JSON.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { contenders, fourPriorities, type Contender } from '../../bench/performance/contenders';
import { costCell, ratioOfCosts } from '../../bench/performance/cost';
import { holders, runners } from '../../bench/performance/memory';
import { requestsOf } from '../../bench/performance/requests';
import { estimate, timeOnce, type Cost } from '../../bench/performance/turns';

const wrong: string[] = [];
for (const contender of contenders) {
  for (const size of [1, 2, 250]) {
    try {
      const seconds = await timeOnce(contender, size, 30);
      if (!(seconds! > 0)) wrong.push(`${contender.name}: took ${seconds} s`);
    } catch (error) {
      wrong.push(String(error));
    }
  }
}

const careless: Contender = {
  name: 'careless',
  priorities: 'one',
  prepare: () => ({ run: (requests) => Promise.resolve(requests.length) }),
};
const noticesWrongAnswers = await timeOnce(careless, 10, 30).then(
  () => false,
  () => true,
);
const stopsWhatTakesTooLong = (await timeOnce(fourPriorities, 10_000, 0)) === undefined;

let begun = 0;
let isUnharmed = true;
for (const holder of new Set([...holders, ...runners])) {
  begun = 0;
  const close = holder.hold(
    requestsOf(20, holder),
    () => {
      begun += 1;
      return new Promise<never>(() => undefined);
    },
    3,
  );
  for (let turn = 0; begun < 3 && turn < 5_000; turn += 1) await pause(1);
  if (begun !== 3) isUnharmed = false;
  close();
}

const cost = (...rounds: number[]): Cost => ({ rounds, microseconds: rounds[0]! });
const skipped: Cost = { estimated: 45 };
process.stdout.write(
  JSON.stringify({
    wrong,
    contenders: contenders.length,
    noticesWrongAnswers,
    stopsWhatTakesTooLong,
    estimates: [
      [{ size: 3_000, seconds: 9 }],
      [
        { size: 1_000, seconds: 0.01 },
        { size: 10_000, seconds: 10 },
      ],
      [
        { size: 1_000, seconds: 1 },
        { size: 10_000, seconds: 1 },
      ],
      [
        { size: 1_000, seconds: 0.01 },
        { size: 3_000, seconds: 9 },
        { size: 10_000, seconds: 1 },
      ],
    ].map((observed, index) => Math.round(estimate(observed, index === 0 ? 10_000 : 100_000))),
    ratios: [
      ratioOfCosts(cost(2, 20, 3), cost(1, 10, 1)),
      ratioOfCosts(cost(3), cost(1, 7)),
      String(ratioOfCosts(cost(1), skipped)),
    ],
    cells: [
      cost(1.234),
      cost(123.4),
      skipped,
      { estimated: 10_000 } as const,
      { stoppedAfter: 30 } as const,
      'left out' as const,
    ].map(costCell),
    holders: { begun, isUnharmed },
  }),
);
process.exit();
