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
  /** Reads the traits of all requests; without it they are read by name. */
  readonly traits: TraitsReader<unknown> | undefined;
  readonly classify: ErrorClassifier | undefined;
  readonly listener: CallEventListener;
  readonly inlineCalls: InlineCalls;
  readonly open: OpenWork;
}

export interface OperatorOptions
  extends Omit<OptimizeOptions, 'cacheKey'>, Pick<PromiseOptions, 'cacheKey'> {}

export interface OperatorCalls<R, V> {
  readonly call: AnyCall;
  readonly misses: (settings: RunSettings<R>) => CacheRunSettings<R, V>['misses'];
  /** Set for stream calls. */
  readonly stream?: ChunkSettings;
  readonly asked?: Asked<R, V> | undefined;
}

/** Requests that one caller makes together, by a promise or a batch. */
export interface Asked<R, V> extends Pick<CacheRunSettings<R, V>, 'told'> {
  readonly context: AskersContext;
  /** Called with each subscription. Returns a function for its end. */
  readonly opened?: (run: CacheRun<R, V>) => () => void;
}

/**
 * An operator of an optimizer: its cache in front of its calls.
 *
 * @throws TypeError if an option is wrong, or a call needs a name
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
  // The cache in front has read the traits and put them on the ticket.
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

/** How the requests to a call are read, and their keys made. */
export function requestRules<R>({ traits: reader }: OptimizerWork, call: AnyCall, options: OperatorOptions) {
  const traits = traitsOfRequests<R>(reader, traitsBeside(options));
  return { traits, keys: new RequestKeys<R>(options, traits, call) };
}

/** Refuses a call without a name if names are needed, and reports an inline call. */
function takeUnnamed(call: AnyCall, { needsNames, inlineCalls, listener, settings }: OptimizerWork): void {
  if (needsNames) {
    throw new TypeError(
      'The cache is shared or has a store, so a call needs a name. Give one, ' +
        "as in optimizer.call(ask, request, { namespace: 'summaries' }), or use the call of an adapter such as openaiCall.",
    );
  }
  if (inlineCalls.isRepeated(call)) {
    const { name } = typeof call === 'function' ? call : call.open;
    listener.next({ type: 'inline-call', at: settings.clock.now(), name });
  }
}

export function bothOf(one: CallEventListener, other: CallEventListener): CallEventListener {
  return {
    next: (event) => {
      one.next(event);
      other.next(event);
    },
  };
}
