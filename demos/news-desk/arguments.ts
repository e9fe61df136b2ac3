import { parseFlags, UsageError } from '../shared/flags';

/** What the user asked for. */
export interface Arguments {
  /** Undefined: the bundled sample. `-` is standard input. */
  readonly input: InputChoice;
  /** How many times faster than they came the events are replayed; `Infinity`: as fast as the desk takes them. */
  readonly speed: number;
  /** The most events taken. */
  readonly limit: number;
  /** Undefined: what the endpoint is known for. */
  readonly model: string | undefined;
  /** Calls that run at once. */
  readonly maxConcurrent: number;
  /** Whether answers come token by token. */
  readonly stream: boolean;
  /** The file that holds every outcome. */
  readonly output: string | undefined;
  /** The directory where answers stay from one run to the next. */
  readonly cache: string | undefined;
  /** Whether the run is shown in a browser, too. */
  readonly ui: boolean;
  readonly quiet: boolean;
  readonly json: boolean;
}

/** Where events come from. */
export type InputChoice =
  | { readonly kind: 'sample' }
  | { readonly kind: 'stdin' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'feed'; readonly location: string };

/** The sample covers twenty minutes; at this speed it arrives in twenty seconds. */
export const sampleSpeed = 60;

export const help = `News desk: every story gets a sentiment from a language model, through rxllm.

Usage: npm start -- [flags]

Without flags it replays a bundled sample against a model server of its own, in less than half a minute.

Input
  --input FILE      lines of JSON, a JSON array, or an RSS, Atom or JSON feed, as its first bytes tell; CSV or TSV if
                    its name ends so, divided by commas, semicolons, tabs or bars; "-" reads standard input
  --feed LOCATION   an RSS or Atom feed: a URL or a file
  --limit N         take at most N events
  --speed N|max     replay the events' own times N times faster, or take them as fast as the desk allows
                    (default: ${sampleSpeed} for the sample, max for all else)

Model
  --model NAME          the model to ask (default: gpt-4o-mini, or the own server's)
  --max-concurrent N    calls that run at once (default 8)
  --stream              have the answers come token by token
  OPENAI_BASE_URL       an OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1
  OPENAI_API_KEY        its key; with a key alone, the endpoint is OpenAI's
                        (with neither, a model server is started on this machine)

Cache
  --cache DIR           keep the answers in this directory, for a week: a later run makes no call for a story whose
                        answer is there

Output
  --output FILE.jsonl   write every outcome, failures included
  --ui                  show the run live in a browser, at an address that it prints
  --quiet               only the final figures, and errors
  --json                figures as lines of JSON on standard output, and nothing else there; npm adds lines of its
                        own unless it is told not to: npm start -s -- --json
  --help                this text

Events are objects, or CSV records, with headline (or title) and, where there is one, body (or text), time (or date),
outlet, symbol, and class: alert, earnings, company or market-colour (the default), from the most to the least urgent.
The charset is that of the byte order mark, else of the feed's header or declaration, else UTF-8; broken events are
skipped, and the first of each kind is told. NO_COLOR=1 turns colours off.

Exit codes: 0 done, 1 could not run, 2 wrong flags, 130 stopped by Ctrl-C.
`;

/**
 * Reads the command line.
 * @returns undefined if it asks for help
 * @throws UsageError saying what is wrong
 */
export function readArguments(argumentsGiven: readonly string[]): Arguments | undefined {
  const values = parse(argumentsGiven);
  if (values.help === true) return undefined;
  const { input, feed, limit, model, output, cache } = values;
  if (input !== undefined && feed !== undefined) {
    throw new UsageError('--input and --feed cannot be used together');
  }
  for (const [flag, value] of Object.entries({ input, feed, model, output, cache })) {
    if (value?.trim() === '') throw new UsageError(`--${flag} must not be empty`);
  }
  const choice = inputChoice(input, feed);
  return {
    input: choice,
    speed: speedOf(values.speed) ?? (choice.kind === 'sample' ? sampleSpeed : Infinity),
    limit: wholeNumber('limit', limit) ?? Infinity,
    model,
    maxConcurrent: wholeNumber('max-concurrent', values['max-concurrent']) ?? 8,
    stream: values.stream ?? false,
    output,
    cache,
    ui: values.ui ?? false,
    quiet: values.quiet ?? false,
    json: values.json ?? false,
  };
}

function parse(argumentsGiven: readonly string[]) {
  return parseFlags(argumentsGiven, {
    input: { type: 'string' },
    feed: { type: 'string' },
    limit: { type: 'string' },
    speed: { type: 'string' },
    model: { type: 'string' },
    'max-concurrent': { type: 'string' },
    stream: { type: 'boolean' },
    output: { type: 'string' },
    cache: { type: 'string' },
    ui: { type: 'boolean' },
    quiet: { type: 'boolean' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
}

function inputChoice(input: string | undefined, feed: string | undefined): InputChoice {
  if (feed !== undefined) return { kind: 'feed', location: feed };
  if (input === undefined) return { kind: 'sample' };
  return input === '-' ? { kind: 'stdin' } : { kind: 'file', path: input };
}

function speedOf(text: string | undefined): number | undefined {
  if (text === undefined || text === 'max') return text === undefined ? undefined : Infinity;
  const speed = Number(text);
  if (text.trim() === '' || !(speed > 0) || speed === Infinity) {
    throw new UsageError(`--speed must be a number above 0, or "max", but is "${text}"`);
  }
  return speed;
}

function wholeNumber(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) {
    throw new UsageError(`--${flag} must be a whole number of at least 1, but is "${text}"`);
  }
  return Number(text);
}
