import { fileURLToPath } from 'node:url';
import { auditTime } from 'rxjs';
import { tellEnd } from '../shared/demo-end';
import { DemoError } from '../shared/demo-error';
import { connectModel, type ModelConnection } from '../shared/model-connection';
import { openAnswers } from './answers';
import { help, readArguments, type Arguments } from './arguments';
import { Desk } from './desk';
import { finalFigures } from './figures';
import { openInput } from './input';
import { liveView } from './live-view';
import { ResultsFile } from './results-file';
import { jsonView, plainView, quietView, type View } from './views';
import { counted } from './wording';

const sample = fileURLToPath(new URL('./sample/events.jsonl', import.meta.url));

/** Limits that the sample's bursts run into, so that there is something to pace; and now and then a failed call. */
const ownServer = {
  requestsPerMinute: 300,
  tokensPerMinute: 150_000,
  burstSeconds: 2,
  latencyBase: 180,
  latencyPerToken: 5,
  failureRate: 0.02,
};

/** Exit codes of programs that a signal ended. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

const stop = new AbortController();
let stoppedBy: keyof typeof exitCodes | undefined;

for (const signal of Object.keys(exitCodes) as (keyof typeof exitCodes)[]) {
  let firstAt: number | undefined;
  process.on(signal, () => {
    // npm passes the signal on to a process that the terminal has already told, so it may come twice at once.
    if (firstAt !== undefined && performance.now() - firstAt > 300) process.exit(exitCodes[signal]);
    firstAt ??= performance.now();
    stoppedBy ??= signal;
    stop.abort();
  });
}

// Whoever reads the output has enough (`| head`): that is no error, and nobody is left to tell.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

/** Runs the desk and returns its exit code. */
async function main(): Promise<number> {
  const choices = readArguments(process.argv.slice(2));
  if (choices === undefined) {
    process.stdout.write(help);
    return 0;
  }
  const input = await openInput(choices.input, sample, stop.signal);
  const results =
    choices.output === undefined
      ? undefined
      : await ResultsFile.open(
          choices.output,
          choices.input.kind === 'file' ? choices.input.path : undefined,
        );
  const answers = choices.cache === undefined ? undefined : openAnswers(choices.cache);
  const connection = await connectModel(process.env, choices.model, ownServer);
  const view = viewFor(choices, connection, input.name);
  const { speed, limit, maxConcurrent } = choices;
  let failure: unknown;
  try {
    const desk = new Desk({
      input,
      connection,
      speed,
      limit,
      maxConcurrent,
      results,
      store: answers,
      stop,
      onBroken: (place, problem) => view.note(`${input.name}: ${place} ${problem}; skipped.`),
    });
    const shown = desk.stats$.pipe(auditTime(100)).forEach((snapshot) => view.show(desk, snapshot));
    try {
      await desk.run();
    } catch (error) {
      failure = error;
    }
    await shown;
    await results?.close().catch((error: unknown) => (failure ??= error));
    const { tally } = desk;
    if (failure === undefined && stoppedBy === undefined && tally.taken === 0) {
      const skipped = tally.broken === 0 ? '' : ` but ${counted(tally.broken, 'broken piece')} of input`;
      failure = new DemoError(`${input.name} holds no events${skipped}`);
    }
    if (tally.answered > 0 || failure === undefined) {
      view.finish(finalFigures(desk, connection, maxConcurrent));
    } else {
      view.abandon();
    }
  } finally {
    await connection.close();
    await answers?.close();
  }
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- it is passed on as it was caught
  if (failure !== undefined) throw failure;
  return stoppedBy === undefined ? 0 : exitCodes[stoppedBy];
}

function viewFor({ json, quiet }: Arguments, connection: ModelConnection, inputName: string): View {
  if (json) return jsonView(quiet);
  if (quiet) return quietView();
  const { model, endpoint, isOwn } = connection;
  const title = `${inputName}, ${model} at ${endpoint}${isOwn ? ' (a server of its own)' : ''}`;
  const isTerminal = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
  return isTerminal ? liveView(process.stdout, title) : plainView(title);
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const code = tellEnd(error);
    process.exitCode = error instanceof DemoError && stoppedBy !== undefined ? exitCodes[stoppedBy] : code;
  },
);
