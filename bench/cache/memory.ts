import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from '../shared/medians';
import type { Effort, SectionReport } from '../shared/section';
import { atMost } from '../shared/verdicts';
import { written } from '../shared/written';
import { bounds } from './bounds';
import { entries, keepers, type Footprint } from './keepers';

/**
 * What kept answers take in memory.
 * @throws Error without `gc()`, which `node --expose-gc` gives
 */
export async function measureMemory({ isQuick }: Effort): Promise<SectionReport> {
  const caches = 20;
  const rounds = isQuick ? 1 : 5;
  const measuredRounds: Footprint[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    measuredRounds.push(await Promise.all(keepers.map(({ name }) => probe(name, caches))));
  }
  const medians = keepers.map((_keeper, index) => {
    const measured = measuredRounds.map((footprints) => footprints[index]!);
    return {
      contents: median(measured.map(({ contents }) => contents)),
      structure: median(measured.map(({ structure }) => structure)),
    };
  });
  const megabytes = ({ contents, structure }: Footprint) => ((contents + structure) * entries) / 1e6;
  return {
    title: 'Memory',
    about:
      `Differences of the heap and of buffers after garbage collection, over ${caches} caches of ` +
      `${written(entries)} answers each, the median of ${rounds} rounds: first keys and values are made ` +
      'and held, then the caches are filled with them. Answers are texts of 1,024 characters, or chat completions of ' +
      '1,024 bytes of JSON; keys are those of `generateKey`. Structure is what is there besides keys and values.',
    tables: [
      {
        head: [
          '1,000 answers of 1 KB',
          'In all, MB',
          'Key and value, bytes an entry',
          'Structure, bytes an entry',
        ],
        rows: keepers.map(({ name }, index) => {
          const footprint = medians[index]!;
          return [
            name,
            written(megabytes(footprint), 2),
            written(footprint.contents),
            written(footprint.structure),
          ];
        }),
      },
    ],
    verdicts: keepers.flatMap(({ name, isJudged }, index) =>
      isJudged
        ? [
            atMost(
              `Structure of an entry of ${name}`,
              medians[index]!.structure,
              bounds.structure,
              0,
              'bytes',
            ),
            atMost(`1,000 answers of ${name}`, megabytes(medians[index]!), bounds.thousandAnswers, 2, 'MB'),
          ]
        : [],
    ),
  };
}

/** The footprint of one keeper, measured in a process of its own. */
function probe(name: string, caches: number): Promise<Footprint> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./memory-probe.ts', import.meta.url)), [name, String(caches)]);
    child.once('message', (footprint) => resolve(footprint as Footprint));
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`The memory of ${name} was not measured.`)));
  });
}
