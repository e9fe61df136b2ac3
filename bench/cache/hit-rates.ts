import { LRUCache } from 'lru-cache';
import { LLMResultCache } from '../../lib/index';
import type { Effort, SectionReport, Verdict } from '../shared/section';
import { exactly } from '../shared/verdicts';
import { knownRates } from './bounds';
import type { Trace } from './traces';

const sizes = [100, 1_000, 5_000] as const;

interface LookUps {
  get(key: string): unknown;
  set(key: string, value: unknown): unknown;
}

/** Accesses of each trace that a quick run takes. */
const mostWhenQuick = 100_000;

/** What share of recorded accesses hits; `given` is undefined where none were given. */
export function measureRates(given: readonly Trace[] | undefined, { isQuick }: Effort): SectionReport {
  const title = 'Hit rates';
  if (!given) {
    return {
      title,
      about: '**Left out**: no recorded accesses were given (`--traces DIR`); see `bench/README.md`.',
      tables: [],
      verdicts: [],
    };
  }
  const traces = given.map(({ name, keys }) => ({
    name,
    keys: isQuick ? keys.slice(0, mostWhenQuick) : keys,
  }));
  const verdicts: Verdict[] = [];
  const rows = traces.map((trace) => {
    const cells = sizes.map((size) => {
      const cache = new LLMResultCache({ maxSize: size, defaultTtl: Infinity });
      const rxllm = percent(hitsOf(trace, cache), trace);
      cache.close();
      const lru = percent(hitsOf(trace, new LRUCache({ max: size })), trace);
      const what = `${trace.name} at ${size.toLocaleString('en')} entries`;
      verdicts.push(exactly(`${what}, as lru-cache`, rxllm, lru));
      const known = knownRates[trace.name]?.[size];
      if (known !== undefined) verdicts.push(exactly(`${what}, as is known of LRU`, rxllm, `${known} %`));
      return `${rxllm} / ${lru}`;
    });
    return [
      trace.name,
      trace.keys.length.toLocaleString('en'),
      new Set(trace.keys).size.toLocaleString('en'),
      ...cells,
      percent(hitsOf(trace, new Map()), trace),
    ];
  });
  return {
    title,
    about:
      'Recorded accesses, each a `get` and, where it misses, a `set`: the share that hits in an `LLMResultCache` and ' +
      'in a bare lru-cache of the same size, and in a cache without end.',
    tables: [
      {
        head: [
          'Trace',
          'Accesses',
          'Keys',
          ...sizes.map((size) => `${size.toLocaleString('en')} entries, rxllm / lru-cache`),
          'Without end',
        ],
        rows,
      },
    ],
    verdicts,
  };
}

/** How many accesses of a trace hit. */
export function hitsOf({ keys }: Pick<Trace, 'keys'>, cache: LookUps): number {
  let hits = 0;
  for (const key of keys) {
    if (cache.get(key) === undefined) cache.set(key, key);
    else hits += 1;
  }
  return hits;
}

function percent(hits: number, { keys }: Trace): string {
  return `${((100 * hits) / keys.length).toFixed(1)} %`;
}
