import { Observable, type OperatorFunction } from 'rxjs';
import { RequestKeys } from '../cache/request-identity';
import { identityOfCall } from '../core/call-identity';
import type { CallOutcome } from '../core/call';
import type { CallEventListener } from '../core/events';
import { guarded } from '../core/listener';
import { listenerSetting, requiredFunction, switchSetting } from '../core/settings';
import type { AnyCall } from '../core/stream';
import { noTraits, traitsBeside, traitsOfRequests, type TraitsReader } from '../core/traits';
import { cacheBySettings } from '../operators/cache-llm';
import type { CacheRun } from '../operators/cache-run';
import type { CacheRunSettings, ChunkSettings } from '../operators/cache-run-settings';
import { mergeBySettings } from '../operators/merge-with-concurrency';
import type { RunSettings } from '../operators/run-settings';
import type { ErrorClassifier } from '../provider/classify-error';
import type { AskersContext } from './askers-context';
import type { InlineCalls } from './inline-calls';
import type { OpenWork } from './open-work';
import type { LLMCall, OptimizeOptions, OptimizerCache, PromiseOptions } from './optimizer-config';

/** What the operators of one optimizer share. */
export interface OptimizerWork extends OptimizerCache {
  readonly settings: Omit<RunSettings<unknown>, 'events' | 'traits'>;
  /** Reads the traits of all requests, in place of reading them by name. */
  readonly traits: TraitsReader<unknown> | undefined;
  readonly classify: ErrorClassifier | undefined;
  readonly listener: CallEventListener;
  readonly inlineCalls: InlineCalls;
  readonly open: OpenWork;
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
  readonly asked?: Asked<R, V> | undefined;
}

/** Requests that somebody asks for all together, as by a promise. */
export interface Asked<R, V> extends Pick<CacheRunSettings<R, V>, 'told'> {
  readonly context: AskersContext;
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
  { call, misses: missesBy, stream, asked }: OperatorCalls<R, V>,
): OperatorFunction<R, CallOutcome<R, V>> {
  const { settings, cache, classify, listener, open } = work;
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
      isList: asked !== undefined,
      told: asked?.told,
      maxWait,
      traits: traits.read,
      events,
      lasting: open.lasting,
      classify,
    }),
    (run) => {
      const close = open.add(run);
      const ended = asked?.opened?.(run);
      return () => {
        close();
        ended?.();
      };
    },
  );
  return (source) =>
    new Observable((subscriber) => {
      const error = open.lateError;
      if (error) {
        subscriber.error(error);
      } else {
        subscriber.add(source.pipe(operator).subscribe(subscriber));
      }
    });
}

/** The operator of a call: its cache in front of it. */
export function callOperatorOf<R, V>(
  work: OptimizerWork,
  call: LLMCall<R, unknown>,
  options: OperatorOptions,
  asked?: Asked<R, V>,
): OperatorFunction<R, CallOutcome<R, V>> {
  requiredFunction('call', call);
  const made = asked?.context.bind(call) ?? call;
  return operatorOf<R, V>(work, options, {
    call,
    misses: (settings) => mergeBySettings(made, () => settings),
    asked,
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

/** A listener that passes events on to two others. */
export function bothOf(one: CallEventListener, other: CallEventListener): CallEventListener {
  return {
    next: (event) => {
      one.next(event);
      other.next(event);
    },
  };
}
