import { filter, map, type Observable, type OperatorFunction } from 'rxjs';
import type { CallOutcome } from '../core/call';
import { functionSetting, numberSetting, requiredFunction } from '../core/settings';
import type { AnyStreamCall, StreamCall, StreamEnd, StreamItem } from '../core/stream';
import type { AttemptLimits } from './attempt-timeouts';
import { checkedConcurrency, mergeBySettings, type ConcurrencyConfig } from './merge-with-concurrency';
import type { RunSettings } from './run-settings';

/** How long a stream may be silent. */
export interface StreamTimeouts {
  /**
   * Milliseconds from the start of a call to its first chunk; then it fails with `CallTimeoutError`, and may be tried
   * again. Models that think before they answer take minutes.
   *
   * @defaultValue `Infinity`
   */
  readonly firstChunkTimeout?: number | undefined;
  /**
   * Milliseconds from one chunk to the next, or to the end; then the request fails with `CallTimeoutError`. A
   * `context.report({})`, or any other report, counts as a sign of life.
   *
   * @defaultValue `Infinity`
   */
  readonly chunkTimeout?: number | undefined;
}

/** The config of {@link streamWithConcurrency}: that of `mergeWithConcurrency`, but that chunks have no order to keep. */
export interface StreamConfig<R> extends Omit<ConcurrencyConfig<R>, 'ordered'>, StreamTimeouts {}

/**
 * The form of {@link mergeWithConcurrency} for calls whose answers arrive as streams of chunks, such as tokens: it emits
 * the chunks of each answer as they come, and then the request's one outcome, whose value is what `collect` makes of them.
 *
 * A stream holds its slot until it ends or is left; leaving aborts it at once. A failure before the first chunk is tried
 * again as `retry` says; after it the request fails, and `partial` is what had come. A stream without any chunk fails
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
 * @param call makes the streams, and makes values of their chunks
 * @param config a number is `maxConcurrent`
 * @throws TypeError or RangeError for a call or a config that names a wrong value
 */
export function streamWithConcurrency<R, C, V>(
  call: StreamCall<R, C, V>,
  config?: number | StreamConfig<R>,
): OperatorFunction<R, StreamItem<R, C, V>> {
  const settings: StreamConfig<R> = typeof config === 'number' ? { maxConcurrent: config } : (config ?? {});
  requiredStreamCall(call);
  const timeouts = streamTimeouts(settings);
  const { settingsOf, maxConcurrent } = checkedConcurrency('streamWithConcurrency', settings);
  return streamBySettings(call, () => ({ ...settingsOf(), ...timeouts, ordered: false }), maxConcurrent);
}

/** Keeps the outcomes of {@link streamWithConcurrency} or `optimizeStream`, and drops the chunks. */
export function settled<R, C, V>(): OperatorFunction<StreamItem<R, C, V>, CallOutcome<R, V>> {
  return (items$) =>
    items$.pipe(
      filter((item): item is StreamEnd<R, V> => item.type === 'outcome'),
      map(({ outcome }) => outcome),
    );
}

/** The operator behind {@link streamWithConcurrency}, by settings that were checked. */
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
 * @throws TypeError for one that lacks a part
 */
export function requiredStreamCall(call: AnyStreamCall): void {
  const given = call as Partial<typeof call> | undefined | null;
  requiredFunction('call.open', given?.open);
  requiredFunction('call.collect', given?.collect);
  functionSetting('call.isWhole', given?.isWhole);
  functionSetting('call.usage', given?.usage);
}

/**
 * Checks the timeouts of a stream.
 *
 * @throws TypeError or RangeError for one that is no time
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
