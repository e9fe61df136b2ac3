import { choiceNamed, parseFlags, UsageError } from '../shared/flags';

/** The parts of the bench. */
export const sectionNames = ['hit', 'key', 'rates', 'memory', 'desk'] as const;

/** A part of the bench. */
export type SectionName = (typeof sectionNames)[number];

/** What the user asked for. */
export interface Options {
  /** The directory of recorded accesses. */
  readonly traces: string | undefined;
  readonly quick: boolean;
  /** Fails if rxllm misses a bound. */
  readonly check: boolean;
  readonly only: readonly SectionName[];
  /** Whether nothing was left out or cut short, except the traces. */
  readonly isFull: boolean;
}

export const help = `What the cache costs and saves: rxllm against bare caches, in one run.

Usage: npm run bench:cache -- [flags]

  --traces DIR    also hit rates on recorded accesses: every .txt, .trace and .trace.gz in DIR, one key a line
  --quick         fewer rounds, under half a minute
  --only NAME     only this part; may be repeated
                  (${sectionNames.join(', ')})
  --check         fail if rxllm misses a bound
  --help          this text

Without --quick and --only it writes docs/caching-figures.md.

Exit codes: 0 done, 1 could not run or (with --check) a bound is missed, 2 wrong flags, 130 stopped by Ctrl-C, 143 by SIGTERM.
`;

/**
 * Reads the command line.
 * @returns undefined if it asks for help
 * @throws UsageError saying what is wrong
 */
export function readOptions(argumentsGiven: readonly string[]): Options | undefined {
  const values = parseFlags(argumentsGiven, {
    traces: { type: 'string' },
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean' },
    check: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help === true) return undefined;
  const { traces, quick = false, check = false } = values;
  if (traces?.trim() === '') throw new UsageError('--traces must not be empty');
  const only = values.only?.map((name) => choiceNamed('only', sectionNames, name));
  if (only?.includes('rates') && traces === undefined)
    throw new UsageError('--only rates needs --traces DIR');
  return { traces, quick, check, only: only ?? sectionNames, isFull: !quick && !only };
}
