import type { OutcomeSource, ProviderFeedback, TokenUsage } from './call';
import type { CallPriority } from './priority';
import type { CallTraits } from './traits';

interface EventOf<Type extends string> {
  readonly type: Type;
  /** When it happened, in milliseconds on the clock of the operator. */
  readonly at: number;
}

interface RequestEvent<Type extends string> extends EventOf<Type> {
  /** The number of the request; the same in all events of one request. */
  readonly id: number;
}

/** A request entered its first rxllm operator. */
export interface ReceivedEvent extends RequestEvent<'received'> {
  readonly priority: CallPriority;
  readonly lane?: string;
}
/**
 * A field has the name of a trait but a value that this trait cannot have, such as a `priority` of `urgent`: it is taken
 * for content. Told once for each name.
 */
export interface TraitIgnoredEvent extends RequestEvent<'trait-ignored'> {
  readonly field: keyof CallTraits;
}
/**
 * A call without a namespace has the name and the source text of an earlier one, but is another function, as one that is
 * written inline is each time. What they close over may differ, so it shares none of the earlier one's answers: make the
 * function once, or give a `namespace`. Told once for each text.
 */
export interface InlineCallEvent extends EventOf<'inline-call'> {
  /** The name of the function; empty for one without a name. */
  readonly name: string;
}
/** The cache held the answer. */
export interface CacheHitEvent extends RequestEvent<'cache-hit'> {
  readonly key: string;
  /** Milliseconds since the answer was stored. */
  readonly age: number;
  /** Where it was found: in memory, or in the store behind it. */
  readonly tier: 'memory' | 'store';
  /** Whether the answer had expired, and is given while a call renews it (`staleWhileRevalidate`). */
  readonly stale?: true;
  /** Whether what was kept is a failure (`errorTtl`). */
  readonly failed?: true;
  /** What the stored answer had cost: what this hit saved. */
  readonly usage?: TokenUsage;
  /** Milliseconds the stored answer had taken. */
  readonly savedLatency: number;
}
/** The cache did not hold the answer; a call was asked for, or one that runs already is shared (`joined`). */
export interface CacheMissEvent extends RequestEvent<'cache-miss'> {
  readonly key: string;
  /** Whether the request shares a call that another request had started. */
  readonly joined: boolean;
  /** The fields of the request, or of the body that is sent, that the key leaves out; absent if there are none. */
  readonly leftOut?: readonly string[];
}
/** No kept answer was looked for: `cacheKey: false`, `bypass.lookUp`, or a value at `path` that cannot be hashed. */
export interface CacheBypassedEvent extends RequestEvent<'cache-bypassed'> {
  readonly reason: string;
  /** Where the value stands that cannot be hashed: `request.tools[0].run`. */
  readonly path?: string;
  /** Whether the request shares a call that another request had started. */
  readonly joined?: true;
}
/** A call was asked for to renew a stale answer that request `id` was given; its own events have the number `renewal`. */
export interface CacheRenewingEvent extends RequestEvent<'cache-renewing'> {
  readonly key: string;
  readonly renewal: number;
}
/** A call was answered, but the answer is not kept. */
export interface CacheNotKeptEvent extends RequestEvent<'cache-not-kept'> {
  readonly key: string;
  readonly reason: NotKeptReason;
}
/**
 * Why an answer is not kept: `shouldCache` said so, its TTL is 0, its key was set, deleted, cleared or invalidated
 * while the call ran (`fenced`), it is larger than `maxBytes`, or it could not be judged, copied or measured
 * (`unusable`).
 */
export type NotKeptReason = 'should-cache' | 'ttl' | 'fenced' | 'bytes' | 'unusable';
/** An entry left the cache. */
export interface CacheEvictedEvent extends EventOf<'cache-evicted'> {
  readonly reason: EvictionReason;
}
/**
 * Why an entry left the cache: its time had passed, it was the least recently used one of too many (`size`) or of too
 * large ones (`bytes`), it was deleted or cleared, or invalidated by tag, prefix, namespace or predicate.
 */
export type EvictionReason = 'expired' | 'size' | 'bytes' | 'deleted' | 'invalidated';
/** The store behind the memory was slow or failed, and is asked nothing for a while. */
export interface StoreBypassedEvent extends EventOf<'store-bypassed'> {
  readonly operation: 'get' | 'set' | 'delete' | 'clear';
  /** `deadline`: it did not answer within `storeDeadline`. */
  readonly reason: 'deadline' | 'failed';
  readonly error?: unknown;
}
/** The store behind the memory answers again. */
export type StoreRestoredEvent = EventOf<'store-restored'>;
/**
 * What a limiter puts refusals down to:
 * - `pace`: fewer calls are refused when they are slower, so it paces at what is let through;
 * - `shedding`: the same share is refused at any pace, so it holds nobody for it;
 * - `at-once`: calls are refused when so many run, so it bounds how many run;
 * - `wall`: nothing is let through until some moment, so it holds everybody and tries now and then.
 *
 * A request that is refused again and again while others pass backs off alone, and teaches nothing.
 */
export type RefusalCause = 'pace' | 'shedding' | 'at-once' | 'wall';
/** The limiter changed its opinion of why calls are refused. */
export interface RefusalsExplainedEvent extends EventOf<'refusals-explained'> {
  readonly cause: RefusalCause;
  /** The share of calls, 0 to 1, that is refused whatever the pace. */
  readonly share: number;
  /** Calls per second that are let through; absent while no limit was learned. */
  readonly learnedRate?: number;
  /** Calls that may run at once; absent while no bound was learned. */
  readonly maxRunning?: number;
}
/** Tokens were used of a model that the price table has no price for; told once for each model, of a hundred at most. */
export interface ModelUnpricedEvent extends EventOf<'model-unpriced'> {
  /** The model as usage named it, a hundred letters at most; absent if usage named none. */
  readonly model?: string;
}
/**
 * A call failed with an error of which nobody could tell what it means, so that it is neither tried again nor learned from.
 * Told once for each shape of error, of the first 64, and without what the error says: so that you learn that a client is
 * not understood, and can give a `classifyError` that understands it.
 */
export interface ErrorUnknownEvent extends EventOf<'error-unknown'> {
  /** The name or class of the error, or the type of what was thrown if it is no object. */
  readonly name?: string;
  readonly code?: string | number;
  /** The names of the error's own fields. */
  readonly fields: readonly string[];
  /** Where something stands that looks like an HTTP status: `details.httpCode`, or `message`. */
  readonly statusAt?: string;
}
/** The server of the fleet was slow or failed: this process goes on with its share of the limits. */
export interface FleetBypassedEvent extends EventOf<'fleet-bypassed'> {
  /** `deadline`: it did not answer in time. */
  readonly reason: 'deadline' | 'failed';
  /** The processes that the limits are divided by. */
  readonly members: number;
  readonly error?: unknown;
}
/** The server of the fleet answers again. */
export type FleetRestoredEvent = EventOf<'fleet-restored'>;
/** The request had to wait for a permit: for pace, a hold or a budget, not only for a slot. */
export interface ThrottledEvent extends RequestEvent<'throttled'> {
  /** Milliseconds it waited for the permit while a slot was free. */
  readonly waited: number;
}
/** A call began. */
export interface StartedEvent extends RequestEvent<'started'> {
  readonly attempt: number;
  readonly priority: CallPriority;
  /** Milliseconds that it waited for this start: since the request arrived, or since the back-off of a retry was over. */
  readonly waited: number;
}
/** The first chunk of a stream call came; told once a call. */
export interface FirstChunkEvent extends RequestEvent<'first-chunk'> {
  readonly attempt: number;
  /** Milliseconds from the start of the call. */
  readonly latency: number;
}
/** A call ended: well, with an error, or because nobody waited for it any more. */
export interface FinishedEvent extends RequestEvent<'finished'> {
  readonly attempt: number;
  readonly result: 'succeeded' | 'failed' | 'aborted';
  /** Milliseconds from its start. */
  readonly latency: number;
  readonly startedAt: number;
  readonly error?: unknown;
  /** What it used up, as far as it was reported. */
  readonly usage?: TokenUsage;
}
/** A call passed on what the provider said. Its usage so far; that of the whole attempt is told when it has finished. */
export interface FeedbackEvent extends RequestEvent<'feedback'> {
  readonly feedback: ProviderFeedback;
  /** When the call that was answered had begun. */
  readonly startedAt: number;
}
/** A failed call will be tried again. */
export interface RetryingEvent extends RequestEvent<'retrying'> {
  /** The number of the attempt to come. */
  readonly attempt: number;
  /** Milliseconds until it stands in the queue again. */
  readonly delay: number;
}
/** The request's outcome is known. */
export interface SettledEvent extends RequestEvent<'settled'> {
  readonly ok: boolean;
  readonly source?: OutcomeSource;
  /** What it failed with; with the source `stale`, what the call had failed with. */
  readonly error?: unknown;
  readonly latency: number;
  readonly waited: number;
  readonly attempts: number;
  /** What the shared call had used up: what sharing it saved. */
  readonly usage?: TokenUsage;
}
/** Nobody waits for the request's outcome any more. */
export type LeftEvent = RequestEvent<'left'>;

/**
 * One step of one request. Every step is told once, by the operator that did it; statistics, the adaptive pace and
 * every exporter are folds of these. Requests, values and prompts are never part of an event.
 */
export type CallEvent =
  | ReceivedEvent
  | TraitIgnoredEvent
  | InlineCallEvent
  | CacheHitEvent
  | CacheMissEvent
  | CacheBypassedEvent
  | CacheRenewingEvent
  | CacheNotKeptEvent
  | CacheEvictedEvent
  | StoreBypassedEvent
  | StoreRestoredEvent
  | RefusalsExplainedEvent
  | ModelUnpricedEvent
  | ErrorUnknownEvent
  | FleetBypassedEvent
  | FleetRestoredEvent
  | ThrottledEvent
  | StartedEvent
  | FirstChunkEvent
  | FinishedEvent
  | FeedbackEvent
  | RetryingEvent
  | SettledEvent
  | LeftEvent;

/** Listens to events. One that throws is reported as RxJS reports unhandled errors, and harms nothing. */
export interface CallEventListener {
  next(event: CallEvent): void;
}
