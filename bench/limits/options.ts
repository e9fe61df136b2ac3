import { choiceNamed, parseFlags, UsageError } from '../shared/flags';
import { clients, streamClients } from './clients/index';
import type { RandomOptions } from './random/main';
import { signals, type SignalsName } from './shape';
import { shapes } from './shapes';

/** What the user asked for. */
export interface Options {
  readonly quick: boolean;
  /** Fails if rxllm misses a bound. */
  readonly check: boolean;
  readonly trace: string | undefined;
  /** Undefined: all. */
  readonly only: readonly string[] | undefined;
  readonly signals: readonly SignalsName[];
  /** Undefined: all. */
  readonly client: readonly string[] | undefined;
  /** Whether nothing that could run was left out, except the trace. */
  readonly isFull: boolean;
  /** Runs that many drawn providers in place of the shapes. */
  readonly random: RandomOptions | undefined;
  /** Says what happens second by second. */
  readonly timeline: boolean;
}

const quickShapes = ['batch-600', 'tokens', 'minute-deep', 'outage'];
const shapeNames = [...shapes.map(({ name }) => name), 'trace'];
const signalsNames = Object.keys(signals) as SignalsName[];
const clientNames = clients.map(({ name }) => name);

export const help = `How close to the limit: rxllm and its rivals against one simulated provider, in virtual time.

Usage: npm run bench:limits -- [flags]

  --trace FILE      also real arrivals: a CSV with TIMESTAMP, ContextTokens, GeneratedTokens
  --quick           only ${quickShapes.join(', ')}
  --only NAME       only this shape; may be repeated
                    (${shapeNames.join(', ')})
  --signals NAME    only where the provider says this much; may be repeated
                    (${signalsNames.join(', ')})
  --client NAME     only this client; may be repeated
                    (${clientNames.join(', ')})
  --random N        in place of the shapes, N drawn providers and arrivals, for rxllm and the plain client
  --seed S          the seed of the draws, a whole number (default 1)
  --draw K          only the draw K of the seed
  --timeline        with --draw, or --only with one shape: what happens second by second, and the limiter's state
  --check           fail if rxllm misses a bound
  --help            this text

Without --quick, --only, --signals, --client and --random it writes docs/limits.md and docs/limits.svg.

Exit codes: 0 done, 1 could not run or (with --check) a bound is missed, 2 wrong flags, 130 stopped by Ctrl-C, 143 by SIGTERM.
`;

/**
 * Reads the command line.
 * @returns undefined if it asks for help
 * @throws UsageError saying what is wrong
 */
export function readOptions(argumentsGiven: readonly string[]): Options | undefined {
  const values = parseFlags(argumentsGiven, {
    trace: { type: 'string' },
    only: { type: 'string', multiple: true },
    signals: { type: 'string', multiple: true },
    client: { type: 'string', multiple: true },
    random: { type: 'string' },
    seed: { type: 'string' },
    draw: { type: 'string' },
    timeline: { type: 'boolean' },
    quick: { type: 'boolean' },
    check: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help === true) return undefined;
  const { trace, quick = false, check = false, timeline = false } = values;
  if (trace?.trim() === '') throw new UsageError('--trace must not be empty');
  if (quick && values.only) throw new UsageError('--quick and --only cannot be used together');
  const only = quick ? [...quickShapes, 'trace'] : choices('only', values.only, shapeNames);
  if (values.only?.includes('trace') && trace === undefined) {
    throw new UsageError('--only trace needs --trace FILE');
  }
  const client = choices('client', values.client, clientNames);
  if (check && client && !client.includes('rxllm')) {
    throw new UsageError('--check judges rxllm, which --client leaves out');
  }
  const random = randomOptions(values);
  if (random && (quick || values.only || values.signals || trace !== undefined)) {
    throw new UsageError('--random cannot be used with --quick, --only, --signals or --trace');
  }
  if (random && client?.some((name) => !streamClients.some((one) => one.name === name))) {
    throw new UsageError(`--random runs only ${streamClients.map(({ name }) => name).join(' and ')}`);
  }
  if (timeline && random?.draw === undefined && values.only?.length !== 1) {
    throw new UsageError('--timeline needs --draw K, or --only with one shape');
  }
  const signalsChosen = choices('signals', values.signals, signalsNames);
  return {
    quick,
    check,
    trace,
    only,
    signals: signalsChosen ?? signalsNames,
    client,
    isFull: !only && !client && !signalsChosen && !random,
    random,
    timeline,
  };
}

/** Undefined where no draws are asked for. */
function randomOptions(values: {
  readonly random?: string | undefined;
  readonly seed?: string | undefined;
  readonly draw?: string | undefined;
}): RandomOptions | undefined {
  if (values.random === undefined) {
    if (values.seed ?? values.draw) throw new UsageError('--seed and --draw need --random N');
    return undefined;
  }
  return {
    count: wholeNumber('random', values.random, 1),
    seed: wholeNumber('seed', values.seed ?? '1', 0),
    draw: values.draw === undefined ? undefined : wholeNumber('draw', values.draw, 0),
  };
}

function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`--${flag} must be a whole number of at least ${least}, but is "${text}"`);
  }
  return value;
}

function choices<T extends string>(
  flag: string,
  given: readonly string[] | undefined,
  known: readonly T[],
): T[] | undefined {
  return given?.map((name) => choiceNamed(flag, known, name));
}
