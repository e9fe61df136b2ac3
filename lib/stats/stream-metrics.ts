import type { CallEvent } from '../core/events';
import { tokenCount } from '../core/token-usage';
import { LatencyHistogram, type Distribution } from './latency-histogram';

/** The figures of stream calls. */
export interface StreamMetrics {
  /** Streams that have brought a chunk. */
  readonly started: number;
  /** Milliseconds from the start of a call to its first chunk that half of the streams did not exceed. */
  readonly p50FirstChunk: number;
  readonly p95FirstChunk: number;
  /** Tokens of answers per second of streaming, from first chunk to end, over all streams that ended well; 0 before. */
  readonly tokensPerSecond: number;
}

/** A stream that has brought a chunk and has not ended. */
interface RunningStream {
  readonly firstChunkAt: number;
  outputTokens: number;
}

/** Folds events of stream calls into figures. */
export class StreamFold {
  readonly #firstChunks = new LatencyHistogram();
  /** By the numbers of their requests. */
  readonly #running = new Map<number, RunningStream>();
  #started = 0;
  #tokens = 0;
  /** Milliseconds in which these tokens came. */
  #streaming = 0;

  next(event: CallEvent): void {
    if (event.type === 'first-chunk') {
      this.#started++;
      this.#firstChunks.add(event.latency);
      this.#running.set(event.id, { firstChunkAt: event.at, outputTokens: 0 });
      return;
    }
    const stream = this.#running.size > 0 && 'id' in event ? this.#running.get(event.id) : undefined;
    if (stream && event.type === 'feedback') {
      stream.outputTokens = Math.max(stream.outputTokens, tokenCount(event.feedback.usage?.outputTokens));
    } else if (stream && event.type === 'finished') {
      this.#running.delete(event.id);
      if (event.result === 'succeeded' && stream.outputTokens > 0) {
        this.#tokens += stream.outputTokens;
        this.#streaming += event.at - stream.firstChunkAt;
      }
    }
  }

  get firstChunks(): Distribution {
    return this.#firstChunks.distribution();
  }

  metrics(): StreamMetrics {
    return {
      started: this.#started,
      p50FirstChunk: this.#firstChunks.percentile(0.5),
      p95FirstChunk: this.#firstChunks.percentile(0.95),
      tokensPerSecond: this.#streaming > 0 ? (1000 * this.#tokens) / this.#streaming : 0,
    };
  }
}
