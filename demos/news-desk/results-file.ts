import { createWriteStream, type WriteStream } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { CallOutcome } from '../../lib/index';
import { DemoError, reasonOf } from '../shared/demo-error';
import { describeFailure } from '../shared/failures';
import type { Answer, DeskRequest } from './desk';

/** The file that holds every outcome, one JSON object on each line. */
export class ResultsFile {
  readonly #stream: WriteStream;
  readonly #path: string;
  #failure: unknown;

  private constructor(stream: WriteStream, path: string) {
    this.#stream = stream;
    this.#path = path;
    stream.on('error', (error) => (this.#failure = error));
  }

  /**
   * Creates the file, or empties it.
   * @param input the file that events are read from, which must not be this one
   * @throws DemoError in one sentence if it cannot be written
   */
  static async open(path: string, input: string | undefined): Promise<ResultsFile> {
    if (input !== undefined) {
      const [one, other] = await Promise.all(
        [path, input].map((file) => realpath(file).catch(() => undefined)),
      );
      if (one !== undefined && one === other)
        throw new DemoError(`${path} is the input; name another --output`);
    }
    const stream = createWriteStream(path);
    try {
      await once(stream, 'open');
    } catch (error) {
      const isFolderMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      throw new DemoError(
        `${path} cannot be written: ${isFolderMissing ? 'its folder does not exist' : reasonOf(error)}`,
      );
    }
    return new ResultsFile(stream, path);
  }

  /** Writes an outcome, and waits if the disk is slower than the desk. */
  async write(outcome: CallOutcome<DeskRequest, Answer>): Promise<void> {
    this.#check();
    if (!this.#stream.write(`${JSON.stringify(rowOf(outcome))}\n`)) {
      await once(this.#stream, 'drain').catch(() => undefined);
      this.#check();
    }
  }

  /** Resolves when everything is in the file. */
  async close(): Promise<void> {
    this.#stream.end();
    await finished(this.#stream).catch((error: unknown) => (this.#failure = error));
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) {
      throw new DemoError(`${this.#path} cannot be written: ${reasonOf(this.#failure)}`);
    }
  }
}

function rowOf(outcome: CallOutcome<DeskRequest, Answer>): unknown {
  const { id, time, outlet, storyClass, symbol, headline } = outcome.request.event;
  const { latency, waited, attempts } = outcome;
  return {
    id,
    ...(time !== undefined && { time: new Date(time).toISOString() }),
    outlet,
    class: storyClass,
    symbol,
    headline,
    ok: outcome.ok,
    ...(outcome.ok
      ? { ...outcome.value.sentiment, source: outcome.source }
      : { error: describeFailure(outcome.error) }),
    latency: Math.round(latency),
    waited: Math.round(waited),
    attempts,
  };
}
