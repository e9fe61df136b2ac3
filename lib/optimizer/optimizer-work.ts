import { Observable, type OperatorFunction } from 'rxjs';
import { RequestKeys } from '../cache/request-identity';
import { identityOfCall } from '../core/call-identity';
import type { CallOutcome } from '../core/call';
import type { CallEventListener } from '../core/events';
import { guarded } from '../core/listener';
import { listenerSetting, switchSetting } from '../core/settings';
import type { AnyCall } from '../core/stream';
import { noTraits, traitsBeside, traitsOfRequests, type TraitsReader } from '../core/traits';
import { cacheBySettings } from '../operators/cache-llm';
import type { CacheRun } from '../operators/cache-run';
import type { CacheRunSettings, ChunkSettings, LastingPipeline } from '../operators/cache-run-settings';
import type { RunSettings } from '../operators/run-settings';
import type { ErrorClassifier } from '../provider/classify-error';
import type { InlineCalls } from './inline-calls';
import type { OptimizeOptions, OptimizerCache, PromiseOptions } from './optimizer-config';

/** What the operators of one optimizer share. */
export interface OptimizerWork extends OptimizerCache {
  readonly settings: Omit<RunSettings<unknown>, 'events' | 'traits'>;
  /** Reads the traits of all requests, in place of reading them by name. */
  readonly traits: TraitsReader<unknown> | undefined;
  readonly classify: ErrorClassifier | undefined;
  readonly listener: CallEventListener;
  readonly inlineCalls: InlineCalls;
  /** The subscriptions that run. */
  readonly open: Set<CacheRun<never, never>>;
  /** Pipelines that go on for the sake of the cache. */
  readonly lasting: Set<LastingPipeline>;
  /** The error of what is subscribed to after the end; undefined before. */
  readonly closedError: () => Error | undefined;
}

/** What may differ from operator to operator. */
export interface OperatorOptions
  extends Omit<OptimizeOptions, 'cacheKey'>, Pick<PromiseOptions, 'cacheKey'> {}

/** The calls that an operator makes. */
export interface OperatorCalls<R, V> {
  /** The call as the user gave it. */
  readonly call: AnyCall;
  readonly misses: (settings: RunSettings<R>) => CacheRunSettings<R, V>['misses'];
  /** Set if they are stream calls. */
  readonly stream?: ChunkSettings;
  /** Given each subscription; returns what is done when it ends. */
  readonly opened?: (run: CacheRun<R, V>) => () => void;
}

/**
 * An operator of an optimizer: its cache in front of its calls.
 *
 * @throws TypeError for a wrong option, or a call that cannot be told from others
 */
export function operatorOf<R, V>(
  work: OptimizerWork,
  options: OperatorOptions,
  { call, misses: missesBy, stream, opened }: OperatorCalls<R, V>,
): OperatorFunction<R, CallOutcome<R, V>> {
  const { settings, cache, classify, listener, open, lasting, closedError } = work;
  const { traits, keys } = requestRules<R>(work, call, options);
  listenerSetting('events', options.events);
  const ordered = switchSetting('ordered', options.ordered, false);
  if (cache && options.namespace === undefined && !identityOfCall(call)) {
    takeUnnamed(call, work);
  }
  const events = options.events ? bothOf(listener, guarded(options.events)!) : listener;
  // What there is to know of a request is on its ticket, as the cache in front has read its traits.
  const misses = missesBy({ ...settings, traits: () => noTraits, maxWait: Infinity, events });
  const { clock, maxWait } = settings;
  const operator = cacheBySettings<R, V>(
    () => ({
      cache,
      clock,
      misses,
      stream,
      keys,
      ordered,
      maxWait,
      traits: traits.read,
      events,
      lasting,
      classify,
    }),
    (run) => {
      open.add(run as unknown as CacheRun<never, never>);
      const ended = opened?.(run);
      return () => {
        open.delete(run as unknown as CacheRun<never, never>);
        ended?.();
      };
    },
  );
  return (source) =>
    new Observable((subscriber) => {
      const error = closedError();
      if (error) {
        subscriber.error(error);
      } else {
        subscriber.add(source.pipe(operator).subscribe(subscriber));
      }
    });
}

/** How the requests to a call are read and told apart. */
export function requestRules<R>({ traits: reader }: OptimizerWork, call: AnyCall, options: OperatorOptions) {
  const traits = traitsOfRequests<R>(reader, traitsBeside(options));
  return { traits, keys: new RequestKeys<R>(options, traits, call) };
}

/** Takes in a call that only its function tells apart. */
function takeUnnamed(call: AnyCall, { needsNames, inlineCalls, listener, settings }: OptimizerWork): void {
  if (needsNames) {
    throw new TypeError(
      'The cache is shared or has a store, where a function cannot be told from others: name the call, ' +
        "as in optimizer.call(ask, request, { namespace: 'summaries' }), or take one of an adapter such as openaiCall.",
    );
  }
  if (inlineCalls.isRepeated(call)) {
    const { name } = typeof call === 'function' ? call : call.open;
    listener.next({ type: 'inline-call', at: settings.clock.now(), name });
  }
}

function bothOf(one: CallEventListener, other: CallEventListener): CallEventListener {
  return {
    next: (event) => {
      one.next(event);
      other.next(event);
    },
  };
}
