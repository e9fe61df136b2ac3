import type { OutcomeSource, ProviderFeedback, TokenUsage } from './call';
import type { CallPriority } from './priority';
import type { CallTraits } from './traits';

interface EventOf<Type extends string> {
  readonly type: Type;
  /** When it happened, in milliseconds on the operator's clock. */
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
 * A field of the request has the name of a trait but not a valid value, such as `priority: 'urgent'`, so it counts as
 * content. Emitted once for each name.
 */
export interface TraitIgnoredEvent extends RequestEvent<'trait-ignored'> {
  readonly field: keyof CallTraits;
}
/**
 * A call without a `namespace` is another function than an earlier call with the same name and source text, as an
 * inline function is on each use. The two may close over different values, so they share no answers: make the function
 * once, or give a `namespace`. Emitted once for each text.
 */
export interface InlineCallEvent extends EventOf<'inline-call'> {
  /** The name of the function; empty for an anonymous one. */
  readonly name: string;
}
/** The cache held the answer. */
export interface CacheHitEvent extends RequestEvent<'cache-hit'> {
  readonly key: string;
  /** Milliseconds since the answer was stored. */
  readonly age: number;
  /** Whether the answer was in memory or in the store behind it. */
  readonly tier: 'memory' | 'store';
  /** Whether the answer had expired and a call renews it (`staleWhileRevalidate`). */
  readonly stale?: true;
  /** Whether the kept result is a failure (`errorTtl`). */
  readonly failed?: true;
  /** The usage of the call that made the stored answer: this hit saved it. */
  readonly usage?: TokenUsage;
  /** Milliseconds that the call for the stored answer took. */
  readonly savedLatency: number;
}
/** The cache did not hold the answer. The request starts a call, or joins a running one (`joined`). */
export interface CacheMissEvent extends RequestEvent<'cache-miss'> {
  readonly key: string;
  /** Whether the request shares a call that another request had started. */
  readonly joined: boolean;
  /** The fields of the request or of the sent body that the key leaves out; absent if there are none. */
  readonly leftOut?: readonly string[];
}
/**
 * The cache was not asked: because of `cacheKey: false`, `bypass.lookUp`, or a value at `path` that cannot be part of a
 * key.
 */
export interface CacheBypassedEvent extends RequestEvent<'cache-bypassed'> {
  readonly reason: string;
  /** The path of the value that cannot be part of a key, such as `request.tools[0].run`. */
  readonly path?: string;
  /** Whether the request shares a call that another request had started. */
  readonly joined?: true;
}
/**
 * A call was started to renew the stale answer that request `id` received. The events of that call have the number
 * `renewal`.
 */
export interface CacheRenewingEvent extends RequestEvent<'cache-renewing'> {
  readonly key: string;
  readonly renewal: number;
}
/** A call was answered, but the cache does not keep the answer. */
export interface CacheNotKeptEvent extends RequestEvent<'cache-not-kept'> {
  readonly key: string;
  readonly reason: NotKeptReason;
}
/**
 * Why an answer is not kept: `shouldCache` returned false, its TTL is 0, its key was set, deleted, cleared or
 * invalidated while the call ran (`fenced`), it is larger than `maxBytes`, or judging, copying or measuring it failed
 * (`unusable`).
 */
export type NotKeptReason = 'should-cache' | 'ttl' | 'fenced' | 'bytes' | 'unusable';
/** An entry left the cache. */
export interface CacheEvictedEvent extends EventOf<'cache-evicted'> {
  readonly reason: EvictionReason;
}
/**
 * Why an entry left the cache: it expired, it was the least recently used one when there were too many entries (`size`)
 * or bytes (`bytes`), it was deleted or cleared, or it was invalidated by tag, prefix, namespace or predicate.
 */
export type EvictionReason = 'expired' | 'size' | 'bytes' | 'deleted' | 'invalidated';
/** The store behind the memory was slow or failed. It is not used until it recovers. */
export interface StoreBypassedEvent extends EventOf<'store-bypassed'> {
  readonly operation: 'get' | 'set' | 'delete' | 'clear';
  /** `deadline`: the store did not answer within `storeDeadline`. */
  readonly reason: 'deadline' | 'failed';
  readonly error?: unknown;
}
/** The store behind the memory answers again. */
export type StoreRestoredEvent = EventOf<'store-restored'>;
/**
 * What a limiter takes to be the cause of refusals:
 * - `pace`: fewer calls are refused at a slower pace, so it paces at the rate that is let through;
 * - `shedding`: the same share is refused at any pace, so it does not slow down;
 * - `at-once`: calls are refused when too many run, so it bounds how many run;
 * - `wall`: nothing is let through until some moment, so it holds all requests and sends a probe now and then.
 *
 * A request that is refused repeatedly while others pass backs off alone and does not count.
 */
export type RefusalCause = 'pace' | 'shedding' | 'at-once' | 'wall';
/** The limiter changed what it takes to be the cause of refusals. */
export interface RefusalsExplainedEvent extends EventOf<'refusals-explained'> {
  readonly cause: RefusalCause;
  /** Share of calls, 0 to 1, that is refused at any pace. */
  readonly share: number;
  /** Calls per second that the provider lets through; absent if no limit was learned. */
  readonly learnedRate?: number;
  /** Calls that may run at once; absent if no bound was learned. */
  readonly maxRunning?: number;
}
/** A model was used that the price table has no price for. Emitted once for each model, for at most 100. */
export interface ModelUnpricedEvent extends EventOf<'model-unpriced'> {
  /** The model as usage named it, cut to 100 characters; absent if usage named none. */
  readonly model?: string;
}
/**
 * A call failed with an error that rxllm cannot classify, so it is neither retried nor learned from. Emitted once for
 * each shape of error, for the first 64 shapes, without the message. Give a `classifyError` that knows it.
 */
export interface ErrorUnknownEvent extends EventOf<'error-unknown'> {
  /** The name or class of the error, or the type of a thrown value that is no object. */
  readonly name?: string;
  readonly code?: string | number;
  /** The names of the error's own fields. */
  readonly fields: readonly string[];
  /** Where something like an HTTP status was found: `details.httpCode`, or `message`. */
  readonly statusAt?: string;
}
/** The server of the fleet was slow or failed. This process goes on with its own share of the limits. */
export interface FleetBypassedEvent extends EventOf<'fleet-bypassed'> {
  /** `deadline`: the server did not answer in time. */
  readonly reason: 'deadline' | 'failed';
  /** The number of processes that the limits are divided by. */
  readonly members: number;
  readonly error?: unknown;
}
/** The server of the fleet answers again. */
export type FleetRestoredEvent = EventOf<'fleet-restored'>;
/** The request waited for a permit (pace, a hold or a budget), not only for a slot. */
export interface ThrottledEvent extends RequestEvent<'throttled'> {
  /** Milliseconds it waited for the permit while a slot was free. */
  readonly waited: number;
}
/** A call began. */
export interface StartedEvent extends RequestEvent<'started'> {
  readonly attempt: number;
  readonly priority: CallPriority;
  /** Milliseconds that the request waited for this start, since it arrived or since the back-off of a retry ended. */
  readonly waited: number;
}
/** The first chunk of a stream call came. Emitted once for each call. */
export interface FirstChunkEvent extends RequestEvent<'first-chunk'> {
  readonly attempt: number;
  /** Milliseconds since the start of the call. */
  readonly latency: number;
}
/** A call ended: it succeeded, failed, or was aborted because no waiter was left. */
export interface FinishedEvent extends RequestEvent<'finished'> {
  readonly attempt: number;
  readonly result: 'succeeded' | 'failed' | 'aborted';
  /** Milliseconds since the start of the call. */
  readonly latency: number;
  readonly startedAt: number;
  readonly error?: unknown;
  /** What the call used, as far as it was reported. */
  readonly usage?: TokenUsage;
}
/** A call passed on headers or usage of the provider. `usage` is the usage so far; `finished` has the final one. */
export interface FeedbackEvent extends RequestEvent<'feedback'> {
  readonly feedback: ProviderFeedback;
  /** When the answered call had started. */
  readonly startedAt: number;
}
/** A failed call will be retried. */
export interface RetryingEvent extends RequestEvent<'retrying'> {
  /** The number of the next attempt. */
  readonly attempt: number;
  /** Milliseconds until the request is in the queue again. */
  readonly delay: number;
}
/** The request's outcome is known. */
export interface SettledEvent extends RequestEvent<'settled'> {
  readonly ok: boolean;
  readonly source?: OutcomeSource;
  /** The error of the request; with the source `stale`, the error of the call. */
  readonly error?: unknown;
  readonly latency: number;
  readonly waited: number;
  readonly attempts: number;
  /** The usage of the shared call: sharing saved it. */
  readonly usage?: TokenUsage;
}
/** The subscriber or caller left before the request's outcome. */
export type LeftEvent = RequestEvent<'left'>;

/**
 * One step of one request. The operator that does the step emits it once. Statistics, the adaptive pace and every
 * exporter are folds of these events. Events never hold requests, values or prompts.
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

/** Listens to events. What it throws is reported as RxJS reports unhandled errors, and has no other effect. */
export interface CallEventListener {
  next(event: CallEvent): void;
}
