import { VirtualTimeScheduler } from 'rxjs';
import { progress } from '../shared/progress';
import type { Effort, SectionReport } from '../shared/section';
import { usedBytes } from '../shared/used-bytes';
import { atMost, exactly } from '../shared/verdicts';
import { bounds } from './bounds';
import { Churn, type Leftovers } from './churn';

const requestsInAWave = 1_000;

/** Whether what a long life does to the heap is nothing. */
export async function measureSoak({ isQuick }: Effort): Promise<SectionReport> {
  const requests = isQuick ? 50_000 : 1_000_000;
  const weighings = isQuick ? 5 : 10;
  const churn = new Churn(new VirtualTimeScheduler());
  const between = requests / weighings;
  const heaps: number[] = [];
  for (let done = requestsInAWave; done <= requests; done += requestsInAWave) {
    await churn.wave(requestsInAWave);
    if (done % between === 0) {
      progress(`soak: ${done.toLocaleString('en')} of ${requests.toLocaleString('en')} requests`);
      heaps.push(await usedBytes());
    }
  }
  progress('');
  const { counts } = churn;
  const left = sumOf(churn.leftovers());
  const first = heaps[0]!;
  const last = heaps.at(-1)!;
  churn.close();
  const number = (value: number) => value.toLocaleString('en');
  return {
    title: 'A long life',
    about:
      `${number(requests)} requests in virtual time through one optimizer and one chain of the three operators, in waves of ${number(requestsInAWave)}: ` +
      'streams that end, streams that are left, batches, and promises that are given up, with new tenants in every wave, ' +
      'calls that hang, fail or are refused, limiters that pause, and caches of 500 answers that live 3 s. ' +
      'Ten times (five in a quick run), when nothing is asked for, the heap and all buffers are measured after collection.',
    tables: [
      {
        head: ['After so many requests', 'Heap, MB', '× the first'],
        rows: heaps.map((bytes, index) => [
          number((index + 1) * between),
          (bytes / 1e6).toFixed(2),
          (bytes / first).toFixed(3),
        ]),
      },
      {
        head: ['What happened to them', 'Times'],
        rows: [
          ['outcomes', counts.outcomes],
          ['attempts begun', counts.started],
          ['attempts aborted', counts.aborted],
          ['attempts timed out', counts.timedOut],
          ['tried again', counts.retried],
          ['answered from the cache', counts.hits],
          ['shared the call of another', counts.joined],
          ['answers that left a cache', counts.evicted],
          ['waited too long', counts.expired],
          ['refused by a full queue', counts.refused],
          ['whose subscriber left', counts.left],
          ['pauses of a limiter', counts.pauses],
        ].map(([what, count]) => [String(what), number(Number(count))]),
      },
    ],
    reading:
      `From the first tenth to the end the heap changed by ${number(Math.round((last - first) / 1e3))} KB, ` +
      `${((last - first) / (requests - between)).toFixed(2)} bytes a request: a service that runs for a year does not fill up.`,
    verdicts: [
      atMost(
        'The heap at the end of the soak, beside that after its first tenth',
        last / first,
        bounds.soak,
        3,
        '×',
      ),
      exactly('Calls, waiting requests, timers and answers left over after the soak', number(left), '0'),
    ],
  };
}

function sumOf({ running, waiting, timers, open, cachedTooMany }: Leftovers): number {
  return running + waiting + timers + open + cachedTooMany;
}
