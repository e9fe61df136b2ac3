import type { Cancel } from '../core/clock';
import type { StreamCall } from '../core/stream';
import type { ProviderSettings } from './provider-settings';
import { seededRandom } from './random';
import type { AnswerForm, SimulatedAnswer } from './simulated-answer';
import type { Timetable } from './timetable';

/** A token of a streamed answer. */
export interface SimulatedChunk {
  /** Of the first call to the provider `answer 1`, then ` 2`, ` 3` and so on. */
  readonly content: string;
  /** The billed tokens, on the last chunk: an answer without them is not whole. */
  readonly usage?: SimulatedAnswer['usage'];
}

/** Makes the answer of chunks. */
export const simulatedChunks: Omit<StreamCall<never, SimulatedChunk, SimulatedAnswer>, 'open'> = {
  collect: (chunks) => ({
    content: chunks.map(({ content }) => content).join(''),
    usage: usageOf(chunks) ?? { inputTokens: 0, outputTokens: chunks.length },
  }),
  isWhole: (chunks) => usageOf(chunks) !== undefined,
  usage: usageOf,
};

/** Answers token by token. */
export function streamedAnswers(
  { streaming, seed }: Pick<ProviderSettings<never>, 'streaming' | 'seed'>,
  timetable: Timetable,
): AnswerForm<SimulatedChunk> {
  const random = seededRandom(seed);
  return {
    latencyOf: () => streaming.timeToFirstToken,
    give: ({ number, tokens, headers }, context, subscriber, ended) => {
      const count = Math.max(1, Math.round(tokens.output));
      const dies = random() < streaming.deathRate;
      // At least one token comes, and at least one does not.
      const last = dies ? Math.max(1, Math.floor(random() * count)) : count;
      const usage = { inputTokens: tokens.input, outputTokens: tokens.output };
      const dueAt = (index: number) => Math.round((1000 * index) / streaming.tokensPerSecond);
      let cancel: Cancel = () => undefined;
      const end = (error?: unknown) => {
        ended(error === undefined ? 'answered' : 'failed');
        if (error === undefined) {
          subscriber.complete();
        } else {
          subscriber.error(error);
        }
      };
      const tell = (first: number): void => {
        let index = first;
        for (; index < last && dueAt(index) === dueAt(first) && !subscriber.closed; index++) {
          const content = index === 0 ? `answer ${number}` : ` ${index + 1}`;
          subscriber.next(index === count - 1 && !dies ? { content, usage } : { content });
        }
        if (subscriber.closed) {
          return;
        }
        if (index < last) {
          cancel = timetable.set(dueAt(index) - dueAt(first), () => tell(index));
        } else {
          end(dies ? brokenConnection() : undefined);
        }
      };
      try {
        context?.report?.({ headers });
        tell(0);
      } catch (error) {
        end(error);
      }
      return () => cancel();
    },
  };
}

function usageOf(chunks: readonly SimulatedChunk[]): SimulatedAnswer['usage'] | undefined {
  return chunks.at(-1)?.usage;
}

/** The error of Node's `fetch` when a body breaks off. */
function brokenConnection(): Error {
  const cause = Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' });
  return new TypeError('terminated', { cause });
}
