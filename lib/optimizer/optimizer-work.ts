import { Observable, type OperatorFunction } from 'rxjs';
import type { LLMResultCache } from '../cache/llm-result-cache';
import { keySpaceOf } from '../cache/request-identity';
import type { CallOutcome } from '../core/call';
import type { CallEventListener } from '../core/events';
import { guarded } from '../core/listener';
import { listenerSetting, switchSetting } from '../core/settings';
import { noTraits } from '../core/traits';
import { cacheBySettings } from '../operators/cache-llm';
import type { CacheRun } from '../operators/cache-run';
import type { CacheRunSettings, ChunkSettings, LastingPipeline } from '../operators/cache-run-settings';
import type { RunSettings } from '../operators/run-settings';
import type { ErrorClassifier } from '../provider/classify-error';
import type { OptimizeOptions } from './optimizer-config';

/** What the operators of one optimizer share. */
export interface OptimizerWork {
  readonly settings: Omit<RunSettings<unknown>, 'events'>;
  readonly cache: LLMResultCache | undefined;
  readonly classify: ErrorClassifier | undefined;
  readonly listener: CallEventListener;
  /** The subscriptions that run. */
  readonly open: Set<CacheRun<never, never>>;
  /** Pipelines that go on for the sake of the cache. */
  readonly lasting: Set<LastingPipeline>;
  /** The error of what is subscribed to after the end; undefined before. */
  readonly closedError: () => Error | undefined;
}

/**
 * An operator of an optimizer: its cache in front of its calls.
 *
 * @param stream set if the calls are stream calls
 */
export function operatorOf<R, V>(
  { settings, cache, classify, listener, open, lasting, closedError }: OptimizerWork,
  options: OptimizeOptions,
  calls: (settings: RunSettings<R>) => CacheRunSettings<R, V>['misses'],
  stream?: ChunkSettings,
): OperatorFunction<R, CallOutcome<R, V>> {
  const keySpace = keySpaceOf(options);
  listenerSetting('events', options.events);
  const ordered = switchSetting('ordered', options.ordered, false);
  const events = options.events ? bothOf(listener, guarded(options.events)!) : listener;
  // What there is to know of a request is on its ticket, as the cache in front has read its traits.
  const misses = calls({ ...settings, traits: () => noTraits, maxWait: Infinity, events });
  const { clock, maxWait, traits } = settings;
  const operator = cacheBySettings<R, V>(
    () => ({ cache, clock, misses, stream, keySpace, ordered, maxWait, traits, events, lasting, classify }),
    (run) => {
      open.add(run as unknown as CacheRun<never, never>);
      return () => open.delete(run as unknown as CacheRun<never, never>);
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

function bothOf(one: CallEventListener, other: CallEventListener): CallEventListener {
  return {
    next: (event) => {
      one.next(event);
      other.next(event);
    },
  };
}
