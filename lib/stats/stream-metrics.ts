import type { CallEvent } from '../core/events';
import { tokenCount } from '../core/token-usage';
import { LatencyHistogram, type Distribution } from './latency-histogram';

/** The figures of stream calls. */
export interface StreamMetrics {
  /** Streams that have brought a chunk. */
  readonly started: number;
  /** Milliseconds from the start of a call to its first chunk, which half of the streams did not exceed. */
  readonly p50FirstChunk: number;
  readonly p95FirstChunk: number;
  /** Tokens of answers per second from the first chunk to the end, over all completed streams; 0 before. */
  readonly tokensPerSecond: number;
}

export class StreamFold {
  readonly #firstChunks = new LatencyHistogram();
  /** When the first chunks of running streams came, by request number. */
  readonly #firstChunksAt = new Map<number, number>();
  #started = 0;
  #tokens = 0;
  /** The milliseconds in which these tokens came. */
  #streaming = 0;

  next(event: CallEvent): void {
    if (event.type === 'first-chunk') {
      this.#started++;
      this.#firstChunks.add(event.latency);
      this.#firstChunksAt.set(event.id, event.at);
    } else if (event.type === 'finished') {
      const firstChunkAt = this.#firstChunksAt.get(event.id);
      const tokens = tokenCount(event.usage?.outputTokens);
      this.#firstChunksAt.delete(event.id);
      if (firstChunkAt !== undefined && event.result === 'succeeded' && tokens > 0) {
        this.#tokens += tokens;
        this.#streaming += event.at - firstChunkAt;
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
