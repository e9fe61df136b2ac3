import { filter, map, type OperatorFunction } from 'rxjs';
import type { CallEventListener } from '../core/events';
import { replaySetting } from '../core/settings';
import type { AnyStreamCall, StreamCall, StreamChunk, StreamItem } from '../core/stream';
import type { ChunkReplay, ChunkSettings } from '../operators/cache-run-settings';
import {
  requiredStreamCall,
  streamBySettings,
  streamTimeouts,
  type StreamTimeouts,
} from '../operators/stream-with-concurrency';
import type { AskersContext } from './askers-context';
import type { CallOptions, PromiseOptions, SharedTraits } from './optimizer-config';
import { operatorOf, type OperatorOptions, type OptimizerWork } from './optimizer-work';

/** Options of {@link LLMCallOptimizer.optimizeStream}. */
export interface OptimizeStreamOptions extends CallOptions, SharedTraits, StreamTimeouts {
  /**
   * How a cached answer is replayed: its chunks at once (`chunks`), only its outcome (`whole`), or its chunks one by
   * one, `chunkDelay` milliseconds apart.
   *
   * @defaultValue `'chunks'`
   */
  readonly replay?: ChunkReplay | undefined;
  /** Receives the events of this stream's requests, besides `events$`. @defaultValue none */
  readonly events?: CallEventListener | undefined;
}

/** Options of {@link LLMCallOptimizer.stream}. */
export interface StreamOptions extends Omit<OptimizeStreamOptions, 'replay' | 'cacheKey'>, PromiseOptions {
  /**
   * How a cached answer is replayed: its chunks at once (`chunks`), or one by one, `chunkDelay` milliseconds apart.
   *
   * @defaultValue `'chunks'`
   */
  readonly replay?: Exclude<ChunkReplay, 'whole'> | undefined;
}

export interface StreamOperatorOptions
  extends OperatorOptions, StreamTimeouts, Pick<OptimizeStreamOptions, 'replay'> {}

export function streamOperatorOf<R, C, V>(
  work: OptimizerWork,
  call: StreamCall<R, C, V>,
  options: StreamOperatorOptions,
  context?: AskersContext,
): OperatorFunction<R, StreamItem<R, C, V>> {
  requiredStreamCall(call);
  const timeouts = streamTimeouts(options);
  const made = context ? { ...call, open: context.bind((request: R, at) => call.open(request, at)) } : call;
  const operator = operatorOf<R, V>(work, options, {
    call,
    misses: (settings) => streamBySettings(made, () => ({ ...settings, ...timeouts })),
    // A stream of chunks alone would be empty.
    stream: chunkSettings(call, options.replay, context ? ['chunks'] : ['chunks', 'whole']),
    asked: context && { context },
  });
  return operator as OperatorFunction<R, unknown> as OperatorFunction<R, StreamItem<R, C, V>>;
}

/**
 * How the answers of a stream call are kept and replayed.
 *
 * @throws TypeError or RangeError if `replay` is wrong
 */
function chunkSettings(
  call: AnyStreamCall,
  replay: ChunkReplay = 'chunks',
  words: readonly ('chunks' | 'whole')[],
): ChunkSettings {
  replaySetting(replay, words);
  const { isWhole } = call;
  return {
    replay,
    collect: (chunks) => call.collect(chunks),
    ...(isWhole && { isWhole: (chunks) => isWhole.call(call, chunks) }),
  };
}

/** Emits only the chunks. A failed outcome becomes the error of the stream. */
export function chunksOnly<R, C, V>(): OperatorFunction<StreamItem<R, C, V>, C> {
  return (items$) =>
    items$.pipe(
      filter((item): item is StreamChunk<R, C> => {
        if (item.type === 'outcome' && !item.outcome.ok) {
          throw item.outcome.error;
        }
        return item.type === 'chunk';
      }),
      map(({ chunk }) => chunk),
    );
}
