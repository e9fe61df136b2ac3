import { filter, map, type OperatorFunction } from 'rxjs';
import type { CallEventListener } from '../core/events';
import { choiceSetting, configObject, numberSetting } from '../core/settings';
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

/** What may differ from one stream of stream calls to another. */
export interface OptimizeStreamOptions extends CallOptions, SharedTraits, StreamTimeouts {
  /**
   * How a kept answer is given: its chunks at once, only its outcome (`whole`), or its chunks one after the other,
   * `chunkDelay` milliseconds apart.
   *
   * @defaultValue `'chunks'`
   */
  readonly replay?: ChunkReplay | undefined;
  /** Hears what happens to the requests of this stream, besides `events$`. */
  readonly events?: CallEventListener | undefined;
}

/** What may differ from one streamed answer to another. */
export interface StreamOptions extends Omit<OptimizeStreamOptions, 'replay' | 'cacheKey'>, PromiseOptions {
  /**
   * How a kept answer is given: its chunks at once, or one after the other, `chunkDelay` milliseconds apart.
   *
   * @defaultValue `'chunks'`
   */
  readonly replay?: Exclude<ChunkReplay, 'whole'> | undefined;
}

/** What may differ from operator to operator, of stream calls. */
export interface StreamOperatorOptions
  extends OperatorOptions, StreamTimeouts, Pick<OptimizeStreamOptions, 'replay'> {}

/** The operator of a stream call: its cache in front of it. */
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
    stream: chunkSettings(call, options.replay),
    asked: context && { context },
  });
  return operator as OperatorFunction<R, unknown> as OperatorFunction<R, StreamItem<R, C, V>>;
}

/**
 * How the answers of a stream call are kept and given again.
 *
 * @throws TypeError or RangeError for a `replay` that is none
 */
function chunkSettings(call: AnyStreamCall, replay: ChunkReplay = 'chunks'): ChunkSettings {
  if (typeof replay === 'object') {
    numberSetting('replay.chunkDelay', configObject('replay', replay).chunkDelay, 0);
  } else {
    choiceSetting('replay', replay, 'chunks', ['chunks', 'whole']);
  }
  const { isWhole } = call;
  return {
    replay,
    collect: (chunks) => call.collect(chunks),
    ...(isWhole && { isWhole: (chunks) => isWhole.call(call, chunks) }),
  };
}

/** Keeps the chunks; a failed outcome becomes the error of the stream. */
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
