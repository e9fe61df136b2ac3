import { VirtualTimeScheduler } from 'rxjs';
import { progress } from '../shared/progress';
import type { Effort, SectionReport } from '../shared/section';
import { usedBytes } from '../shared/used-bytes';
import { atMost, exactly } from '../shared/verdicts';
import { written } from '../shared/written';
import { bounds } from './bounds';
import { Churn, cycle, type Leftovers } from './churn';

const requestsInAWave = 1_000;

/** What the heap held after so many requests. */
interface Weighing {
  readonly requests: number;
  readonly bytes: number;
}

/** Whether what a long life does to the heap is nothing. */
export async function measureSoak({ isQuick }: Effort): Promise<SectionReport> {
  const weighings = isQuick ? 5 : 10;
  // More than a hundred, since streams that are left do not take all of a wave: a million requests come through.
  const wavesBetween = cycle * (isQuick ? 1 : 11);
  const churn = new Churn(new VirtualTimeScheduler());
  const { counts } = churn;
  const weighed: Weighing[] = [];
  while (weighed.length < weighings) {
    for (let wave = 0; wave < wavesBetween; wave += 1) await churn.wave(requestsInAWave);
    progress(`soak: ${written(counts.requests)} requests`);
    weighed.push({ requests: counts.requests, bytes: await usedBytes() });
  }
  progress('');
  const leftOver = sumOf(churn.leftovers());
  churn.close();
  const first = weighed[0]!.bytes;
  const last = weighed.at(-1)!.bytes;
  const most = Math.max(...weighed.map(({ bytes }) => bytes));
  const least = Math.min(...weighed.map(({ bytes }) => bytes));
  const slope = bytesARequest(weighed);
  return {
    title: 'A long life',
    about:
      `${written(counts.requests)} requests in virtual time through one optimizer and one chain of the three operators, in waves of at most ${written(requestsInAWave)}: ` +
      'streams that end, streams that are left, batches, and promises that are given up, with new tenants in every wave, ' +
      'calls that hang, fail or are refused, limiters that pause, and caches of 500 answers that live 3 s. ' +
      'Ten times (five in a quick run), when nothing is asked for, the heap and all buffers are measured after collection. ' +
      'A stream that is left takes no more of its wave; what it never took is not counted.',
    tables: [
      {
        head: ['After so many requests', 'Heap, MB', '× the first'],
        rows: weighed.map(({ requests, bytes }) => [
          written(requests),
          written(bytes / 1e6, 2),
          written(bytes / first, 3),
        ]),
      },
      {
        head: ['What happened to them', 'Times'],
        rows: [
          ['came to an outcome', counts.settled],
          ['whose subscriber left before', counts.left],
          ['both together: all requests', counts.settled + counts.left],
          ['attempts begun', counts.started],
          ['attempts aborted', counts.aborted],
          ['attempts timed out', counts.timedOut],
          ['tried again', counts.retried],
          ['answered from the cache', counts.hits],
          ['shared the call of another', counts.joined],
          ['answers that left a cache', counts.evicted],
          ['waited too long', counts.expired],
          ['refused by a full queue', counts.refused],
          ['pauses of a limiter', counts.pauses],
        ].map(([what, count]) => [String(what), written(Number(count))]),
      },
    ],
    reading:
      'A request that came to an outcome whose turn in an ordered stream had not come when its subscriber left counts as one ' +
      'that came to an outcome. Only the first and the last weighing are held to a bound: at the end the heap is ' +
      `${written(last / first, 3)} times that of the first. In between it goes from ${written(least / first, 3)} to ` +
      `${written(most / first, 3)} times, ${written(least / 1e6, 2)} to ${written(most / 1e6, 2)} MB; a straight line through ` +
      `all weighings (least squares) ${slope < 0 ? 'falls' : 'rises'} by ${written(Math.abs(slope), 2)} bytes a request.`,
    verdicts: [
      atMost(
        'The heap at the end of the soak, beside that after its first tenth',
        last / first,
        bounds.soak,
        3,
        '×',
      ),
      exactly('Calls, waiting requests, timers and answers left over after the soak', written(leftOver), '0'),
    ],
  };
}

/** By how much the heap changes for each request: the slope of the straight line that lies closest to all weighings. */
export function bytesARequest(weighed: readonly Weighing[]): number {
  const mean = (valueOf: (weighing: Weighing) => number) =>
    weighed.reduce((sum, weighing) => sum + valueOf(weighing), 0) / weighed.length;
  const middle = mean(({ requests }) => requests);
  const height = mean(({ bytes }) => bytes);
  return (
    mean(({ requests, bytes }) => (requests - middle) * (bytes - height)) /
    mean(({ requests }) => (requests - middle) ** 2)
  );
}

function sumOf({ running, waiting, timers, open, cachedTooMany }: Leftovers): number {
  return running + waiting + timers + open + cachedTooMany;
}
