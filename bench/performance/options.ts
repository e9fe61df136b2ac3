import { choiceNamed, parseFlags } from '../shared/flags';

/** The parts of the bench. */
export const partNames = ['cost', 'growth', 'memory', 'soak', 'seeds'] as const;

/** A part of the bench. */
export type PartName = (typeof partNames)[number];

/** What the user asked for. */
export interface Options {
  readonly quick: boolean;
  /** Fails if rxllm misses a bound. */
  readonly check: boolean;
  readonly only: readonly PartName[];
  /** Whether nothing was left out or cut short. */
  readonly isFull: boolean;
}

export const help = `What rxllm itself costs: time and memory of a call, beside others, in one process.

Usage: npm run bench -- [flags]

  --quick         smaller sizes and fewer rounds, about a minute
  --only NAME     only this part; may be repeated
                  (${partNames.join(', ')})
  --check         fail if rxllm misses a bound
  --help          this text

Without --quick and --only it writes docs/performance.md, in about six minutes.

Exit codes: 0 done, 1 could not run or (with --check) a bound is missed, 2 wrong flags, 130 stopped by Ctrl-C, 143 by SIGTERM.
`;

/**
 * Reads the command line.
 * @returns undefined if it asks for help
 * @throws UsageError saying what is wrong
 */
export function readOptions(argumentsGiven: readonly string[]): Options | undefined {
  const values = parseFlags(argumentsGiven, {
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean' },
    check: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help === true) return undefined;
  const { quick = false, check = false } = values;
  const chosen = values.only?.map((name) => choiceNamed('only', partNames, name));
  const only = chosen ? partNames.filter((name) => chosen.includes(name)) : partNames;
  return { quick, check, only, isFull: !quick && !chosen };
}
