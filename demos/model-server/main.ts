import { parseArgs } from 'node:util';
import type { NumberOption } from './options';
import { numberProblem, numberRules } from './options';
import type { ModelServerOptions } from './server';
import { startModelServer } from './server';

const help = `An OpenAI-compatible model server on 127.0.0.1 that judges the sentiment of market news.

Usage: npm run demo:model-server -- [flags]

  --port N                  port; 0 takes any free one (default 0)
  --requests-per-minute N   request budget; "unlimited" for none (default 500)
  --tokens-per-minute N     token budget; "unlimited" for none (default 200000)
  --burst-seconds S         seconds' worth of budget that may be spent at once (default 60)
  --refused-calls-count     refused calls cost one request of the budget too
  --default-max-tokens N    tokens reserved for an answer without max_tokens (default 64)
  --latency-base MS         milliseconds before the first token (default 200)
  --latency-per-token MS    milliseconds for each token of the answer (default 5)
  --jitter S                spread of the latency, 0 for none (default 0.25)
  --failure-rate P          share of calls that fail with 5xx, 0 to 1 (default 0)
  --hang-rate P             share of calls that are never answered, 0 to 1 (default 0)
  --api-key KEY             the only key that is let in (default: every key is)
  --seed N                  seed of everything random (default 1)
  --help                    this text
`;

const numberFlags = (Object.keys(numberRules) as NumberOption[]).map((option) => ({
  option,
  flag: option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
}));

const unlimitedFlags: readonly NumberOption[] = ['requestsPerMinute', 'tokensPerMinute'];

/** The options that the flags ask for; undefined if they ask for help. */
function readFlags(): ModelServerOptions | undefined {
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(numberFlags.map(({ flag }) => [flag, { type: 'string' as const }])),
      'refused-calls-count': { type: 'boolean' },
      'api-key': { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return undefined;
  const numbers: Partial<Record<NumberOption, number>> = {};
  for (const { option, flag } of numberFlags) {
    const text = (values as Record<string, string | boolean | undefined>)[flag];
    if (typeof text === 'string') numbers[option] = readNumber(option, flag, text);
  }
  const apiKey = values['api-key'];
  if (apiKey === '') throw new Error('--api-key must not be empty.');
  return {
    ...numbers,
    refusedCallsCount: values['refused-calls-count'] ?? false,
    ...(apiKey === undefined ? {} : { apiKey }),
  };
}

function readNumber(option: NumberOption, flag: string, text: string): number {
  const mayBeUnlimited = unlimitedFlags.includes(option);
  if (mayBeUnlimited && text === 'unlimited') return Infinity;
  const value = text.trim() === '' ? NaN : Number(text);
  const problem = numberProblem(option, value);
  if (problem !== undefined || value === Infinity) {
    const unlimited = mayBeUnlimited ? ' or "unlimited"' : '';
    throw new Error(`--${flag} ${problem ?? 'must be finite'}${unlimited}, got "${text}".`);
  }
  return value;
}

function readFlagsOrExit(): ModelServerOptions | undefined {
  try {
    return readFlags();
  } catch (error) {
    // After its first sentence parseArgs only explains positional arguments, of which there are none.
    const [sentence = ''] = (error as Error).message.split(/\. |\.$/);
    console.error(`${sentence}; see --help.`);
    process.exit(2);
  }
}

async function run(options: ModelServerOptions): Promise<void> {
  const server = await startModelServer(options);
  let closing = false;
  const stop = (): void => {
    // npm passes the signal on to a process that the terminal has already told, so it may come twice.
    if (closing) return;
    closing = true;
    void server.close().then(() => console.log(`Closed. ${JSON.stringify(server.statistics())}`));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // A shell between npm and this process may end without passing a signal on, and nobody could stop the server then.
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) stop();
  }, 500).unref();
  console.log(`Listening on ${server.url} (Ctrl-C stops it)`);
}

const options = readFlagsOrExit();
if (options === undefined) {
  console.log(help);
} else {
  run(options).catch((error: unknown) => {
    console.error(`The server could not start: ${(error as Error).message}`);
    process.exitCode = 1;
  });
}
