import { filter, map, type Observable, type OperatorFunction } from 'rxjs';
import type { CallOutcome } from '../core/call';
import { functionSetting, numberSetting, requiredFunction, type FieldsOf } from '../core/settings';
import type { AnyStreamCall, StreamCall, StreamEnd, StreamItem } from '../core/stream';
import type { AttemptLimits } from './attempt-timeouts';
import {
  checkedConcurrency,
  concurrencyFields,
  mergeBySettings,
  type ConcurrencyConfig,
} from './merge-with-concurrency';
import type { RunSettings } from './run-settings';

/** How long a stream may be silent. */
export interface StreamTimeouts {
  /**
   * Milliseconds from the start of a call to its first chunk. After that, the call fails with `CallTimeoutError` and
   * may be retried. Models that reason before they answer take minutes.
   *
   * @defaultValue `Infinity`
   */
  readonly firstChunkTimeout?: number | undefined;
  /**
   * Milliseconds from one chunk to the next, or to the end. After that, the request fails with `CallTimeoutError`. Each
   * `context.report()` restarts the time.
   *
   * @defaultValue `Infinity`
   */
  readonly chunkTimeout?: number | undefined;
}

/**
 * The config of {@link streamWithConcurrency}: that of `mergeWithConcurrency` without `ordered`, and time limits for
 * silence.
 */
export interface StreamConfig<R> extends Omit<ConcurrencyConfig<R>, 'ordered'>, StreamTimeouts {}

const fields = {
  ...concurrencyFields,
  firstChunkTimeout: true,
  chunkTimeout: true,
} as const satisfies FieldsOf<StreamConfig<never>>;

/**
 * Makes calls whose answers arrive in chunks, such as tokens, as {@link mergeWithConcurrency} does. It emits the chunks
 * of each answer as they come, and then the request's one outcome. The outcome's value is the result of `collect`.
 *
 * A stream holds its slot until it ends; unsubscribing aborts it at once. A failure before the first chunk is retried
 * as `retry` says. After it, the request fails, and `partial` holds the chunks so far. A stream without chunks fails
 * with `EmptyError`.
 *
 * ```
 * maxConcurrent: 1
 * source  -a-b-----------|
 * open a   -1-2-3|
 * open b         -4-(5|)
 * items   --1-2-3A4-(5B)-|      (1 to 5 are chunks, A and B are outcomes)
 * ```
 *
 * @example
 * questions$.pipe(
 *   streamWithConcurrency({ open: askModel, collect: (texts) => texts.join('') }, { maxConcurrent: 5 }),
 * ).subscribe((item) => {
 *   if (item.type === 'chunk') {
 *     show(item.id, item.chunk);
 *   } else {
 *     finish(item.id, item.outcome);
 *   }
 * });
 *
 * @param call makes the streams, and the values of their chunks
 * @param config a number is `maxConcurrent`
 * @throws TypeError or RangeError if the call or the config has a wrong value
 */
export function streamWithConcurrency<R, C, V>(
  call: StreamCall<R, C, V>,
  config?: number | StreamConfig<R>,
): OperatorFunction<R, StreamItem<R, C, V>> {
  const settings: StreamConfig<R> = typeof config === 'number' ? { maxConcurrent: config } : (config ?? {});
  requiredStreamCall(call);
  const timeouts = streamTimeouts(settings);
  const { settingsOf, maxConcurrent } = checkedConcurrency('streamWithConcurrency', settings, fields);
  return streamBySettings(call, () => ({ ...settingsOf(), ...timeouts, ordered: false }), maxConcurrent);
}

/**
 * Emits only the outcomes of {@link streamWithConcurrency} or `optimizeStream`, without the chunks.
 *
 * @example
 * questions$.pipe(optimizer.optimizeStream(ask), settled(), unwrapOutcomes()).subscribe(show);
 */
export function settled<R, C, V>(): OperatorFunction<StreamItem<R, C, V>, CallOutcome<R, V>> {
  return (items$) =>
    items$.pipe(
      filter((item): item is StreamEnd<R, V> => item.type === 'outcome'),
      map(({ outcome }) => outcome),
    );
}

/** The operator behind {@link streamWithConcurrency}, with checked settings. */
export function streamBySettings<R, C, V>(
  call: StreamCall<R, C, V>,
  settingsOf: () => RunSettings<R>,
  maxConcurrent?: number | Observable<number>,
): OperatorFunction<R, StreamItem<R, C, V>> {
  return mergeBySettings<R, V>(
    (request, context) => call.open(request, context),
    () => ({ ...settingsOf(), stream: call }),
    maxConcurrent,
  ) as OperatorFunction<R, unknown> as OperatorFunction<R, StreamItem<R, C, V>>;
}

/**
 * Checks a stream call.
 *
 * @throws TypeError if a part is missing
 */
export function requiredStreamCall(call: AnyStreamCall): void {
  const given = call as Partial<typeof call> | undefined | null;
  requiredFunction('call.open', given?.open);
  requiredFunction('call.collect', given?.collect);
  functionSetting('call.isWhole', given?.isWhole);
  functionSetting('call.usage', given?.usage);
}

/**
 * Checks the time limits of a stream.
 *
 * @throws TypeError or RangeError if one is no valid time
 */
export function streamTimeouts({
  firstChunkTimeout,
  chunkTimeout,
}: StreamTimeouts): Required<Omit<AttemptLimits, 'timeout'>> {
  const bounds = { above: true, infinite: true };
  return {
    firstChunkTimeout: numberSetting('firstChunkTimeout', firstChunkTimeout, Infinity, bounds),
    chunkTimeout: numberSetting('chunkTimeout', chunkTimeout, Infinity, bounds),
  };
}
