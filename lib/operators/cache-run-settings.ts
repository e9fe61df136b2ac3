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
 * How a kept answer is given again: its chunks at once (`chunks`), only its outcome (`whole`), or its chunks one after
 * the other, `chunkDelay` milliseconds apart.
 */
export type ChunkReplay = 'chunks' | 'whole' | { readonly chunkDelay: number };

/** How the answers of stream calls are kept and given again. */
export interface ChunkSettings extends Pick<AnyStreamCall, 'collect' | 'isWhole'> {
  readonly replay: ChunkReplay;
}

/** A pipeline that outlives its subscriber for the sake of the cache. */
export interface LastingPipeline {
  /** Lets go of what only the cache waits for. */
  abandonUnwanted(): void;
}

/** What one subscription of cacheLLM works with. */
export interface CacheRunSettings<R, V> {
  /** Undefined where caching is switched off: then every request is a call of its own. */
  readonly cache: LLMResultCache | undefined;
  /** Whether the cache was made for this subscription alone, and so ends with it. */
  readonly isOwnCache?: boolean;
  readonly clock: Clock;
  /** The pipeline for misses. */
  readonly misses: (misses$: Observable<R>) => Observable<Emitted<R, V>>;
  /** Set if the calls are stream calls: then items are emitted in place of outcomes, and taken from `misses`. */
  readonly stream?: ChunkSettings | undefined;
  readonly keys: RequestKeys<R>;
  readonly ordered: boolean;
  /** Whether the source is a list, which always ends: each of its requests gets an outcome, whatever ends before. */
  readonly isList?: boolean | undefined;
  /** Told of each outcome as soon as that is known, before its turn in the order comes. */
  readonly told?: ((outcome: CallOutcome<R, V>) => void) | undefined;
  /** Milliseconds since arrival. */
  readonly maxWait: number;
  readonly traits: TraitsReader<R>;
  readonly events: CallEventListener | undefined;
  /** What an error means: a refusal is never kept. Default: `classifyError`. */
  readonly classify?: ErrorClassifier | undefined;
  /** Takes in the pipelines that outlive their subscribers for the sake of the cache, so that they can be closed. */
  readonly lasting?: Set<LastingPipeline> | undefined;
}

/** The work behind the cache of a run. */
export function engineOf(settings: Pick<CacheRunSettings<never, never>, 'cache'>): CacheEngine | undefined {
  return settings.cache?.[internalsOf];
}
