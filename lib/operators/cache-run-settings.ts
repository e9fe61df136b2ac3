import type { Observable } from 'rxjs';
import { internalsOf, type LLMResultCache } from '../cache/llm-result-cache';
import type { CacheEngine } from '../cache/cache-engine';
import type { RequestKeys } from '../cache/request-identity';
import type { CallOutcome } from '../core/call';
import type { Clock } from '../core/clock';
import type { CallEventListener } from '../core/events';
import type { ErrorClassifier } from '../provider/classify-error';
import type { AnyStreamCall } from '../core/stream';
import type { TraitsReader } from '../core/traits';
import type { Emitted } from './items';

/**
 * How a kept answer is replayed: its chunks at once (`chunks`), only its outcome (`whole`), or its chunks one by one,
 * `chunkDelay` milliseconds apart.
 */
export type ChunkReplay = 'chunks' | 'whole' | { readonly chunkDelay: number };

/** How the answers of stream calls are kept and replayed. */
export interface ChunkSettings extends Pick<AnyStreamCall, 'collect' | 'isWhole'> {
  readonly replay: ChunkReplay;
}

/** A pipeline that outlives its subscriber because the cache wants its answers. */
export interface LastingPipeline {
  /** Cancels the calls that only the cache waits for. */
  abandonUnwanted(): void;
}

/** The settings of one subscription of `cacheLLM`. */
export interface CacheRunSettings<R, V> {
  /** Undefined if caching is disabled. Then every request makes its own call. */
  readonly cache: LLMResultCache | undefined;
  /** Whether the cache was made for this subscription, and ends with it. */
  readonly isOwnCache?: boolean;
  readonly clock: Clock;
  readonly misses: (misses$: Observable<R>) => Observable<Emitted<R, V>>;
  /** Set for stream calls. Then items are emitted, and taken from `misses`, in place of outcomes. */
  readonly stream?: ChunkSettings | undefined;
  readonly keys: RequestKeys<R>;
  readonly ordered: boolean;
  /** Whether the source is a list. Then each of its requests gets an outcome, even if the run is ended early. */
  readonly isList?: boolean | undefined;
  /** Called with each outcome as soon as it is known, before its turn in the order. */
  readonly told?: ((outcome: CallOutcome<R, V>) => void) | undefined;
  /** Milliseconds since arrival. */
  readonly maxWait: number;
  readonly traits: TraitsReader<R>;
  readonly events: CallEventListener | undefined;
  /** Says what an error means: a refusal is never kept. @defaultValue `classifyError` */
  readonly classify?: ErrorClassifier | undefined;
  /** Collects the pipelines that outlive their subscribers, so that they can be closed. */
  readonly lasting?: Set<LastingPipeline> | undefined;
}

export function engineOf(settings: Pick<CacheRunSettings<never, never>, 'cache'>): CacheEngine | undefined {
  return settings.cache?.[internalsOf];
}
