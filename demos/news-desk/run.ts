import { fileURLToPath } from 'node:url';
import { auditTime } from 'rxjs';
import type { StatsServer } from '../../lib/live';
import { DemoError } from '../shared/demo-error';
import { connectModel, type ModelConnection } from '../shared/model-connection';
import type { Arguments } from './arguments';
import { Desk } from './desk';
import { finalFigures } from './figures';
import { openInput } from './input';
import { PlainClient } from './plain-client';
import { ResultsFile } from './results-file';
import { jsonView, plainView, quietView, type View } from './views';

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

/**
 * Runs the desk and shows its figures.
 * @param stop ends the run early; what was answered until then is shown
 * @param onView is called before anything is shown
 * @throws DemoError in one sentence if the run cannot be, or had to be broken off
 */
export async function runDesk(choices: Arguments, stop: AbortController, onView: () => void): Promise<void> {
  const input = await openInput(choices.input, sample, stop.signal);
  const results =
    choices.output === undefined
      ? undefined
      : await ResultsFile.open(
          choices.output,
          choices.input.kind === 'file' ? choices.input.path : undefined,
        );
  const answers =
    choices.cache === undefined ? undefined : (await import('./answers')).openAnswers(choices.cache);
  const connection = await connectModel(process.env, choices.model, ownServer);
  const { speed, limit, maxConcurrent, stream } = choices;
  const plain =
    connection.isOwn && choices.input.kind === 'sample'
      ? await PlainClient.start(ownServer, connection.model, maxConcurrent)
      : undefined;
  const view = await viewFor(choices, connection, input.name);
  onView();
  let failure: unknown;
  let live: StatsServer | undefined;
  try {
    const desk = new Desk({
      input,
      connection,
      speed,
      limit,
      maxConcurrent,
      stream,
      results,
      store: answers,
      stop,
      onBroken: (place, problem) => view.note(`${input.name}: ${place} ${problem}; skipped.`),
      onEvent: (event) => plain?.next(event),
    });
    live = choices.ui ? await desk.serve() : undefined;
    if (live) view.note(`Look at ${live.url}`);
    const shown = desk.stats$.pipe(auditTime(100)).forEach((snapshot) => view.show(desk, snapshot));
    try {
      await desk.run();
    } catch (error) {
      failure = error;
    }
    await shown;
    await results?.close().catch((error: unknown) => (failure ??= error));
    const { tally } = desk;
    if (failure === undefined && !stop.signal.aborted && tally.taken === 0) {
      failure = new DemoError(`${input.name} holds no events`);
    }
    if (tally.answered > 0 || failure === undefined) {
      view.finish(finalFigures(desk, connection, maxConcurrent, plain?.figures));
    } else {
      view.abandon();
    }
  } finally {
    await live?.close();
    await plain?.close();
    await connection.close();
    await answers?.close();
  }
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- it is passed on as it was caught
  if (failure !== undefined) throw failure;
}

async function viewFor(
  { json, quiet }: Arguments,
  { model, endpoint, isOwn }: ModelConnection,
  inputName: string,
): Promise<View> {
  if (json) return jsonView(quiet);
  if (quiet) return quietView();
  const title = `${inputName}, ${model} at ${endpoint}${isOwn ? ' (a server of its own)' : ''}`;
  const isTerminal = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
  return isTerminal ? (await import('./live-view')).liveView(process.stdout, title) : plainView(title);
}
