import { Observable, type OperatorFunction } from 'rxjs';
import { RequestKeys } from '../cache/request-identity';
import { explain, type CacheExplanation } from '../cache/explanation';
import { internalsOf } from '../cache/llm-result-cache';
import { identityOfCall } from '../core/call-identity';
import type { CallOutcome } from '../core/call';
import type { CallEventListener } from '../core/events';
import { holdStarts } from '../core/held-starts';
import { guarded } from '../core/listener';
import { listenerSetting, requiredFunction, switchSetting } from '../core/settings';
import { traitsBeside, traitsOfRequests, type TraitsReader } from '../core/traits';
import { cacheBySettings } from '../operators/cache-llm';
import type { CacheRun } from '../operators/cache-run';
import type { LastingPipeline } from '../operators/cache-run-settings';
import { mergeBySettings } from '../operators/merge-with-concurrency';
import type { RunSettings } from '../operators/run-settings';
import type { ErrorClassifier } from '../provider/classify-error';
import type { AskersContext } from './askers-context';
import { InlineCalls } from './inline-calls';
import type { LLMCall, OptimizeOptions, OptimizerCache, PromiseOptions } from './optimizer-config';

/** What the operators of one optimizer share. */
export interface CallOperatorsSettings extends Pick<OptimizerCache, 'cache' | 'needsNames'> {
  readonly run: Omit<RunSettings<unknown>, 'events'>;
  readonly events: CallEventListener;
  readonly classify: ErrorClassifier | undefined;
  /** Reads the traits of all requests, in place of reading them by name. */
  readonly traits: TraitsReader<unknown> | undefined;
  /** Milliseconds since arrival. */
  readonly maxWait: number;
}

/** What may differ from operator to operator. */
interface OperatorOptions extends Omit<OptimizeOptions, 'cacheKey'>, Pick<PromiseOptions, 'cacheKey'> {}

/** What one who asks for a promise adds to an operator. */
interface Asker<R, V> {
  readonly context: AskersContext;
  /** Given the run of the operator when that is subscribed to; returns what is done when it ends. */
  readonly opened?: (run: CacheRun<R, V>) => () => void;
}

/** Makes the operators of an optimizer: its cache in front of its calls. */
export class CallOperators {
  readonly #settings: CallOperatorsSettings;
  readonly #inlineCalls = new InlineCalls();
  readonly #open = new Set<CacheRun<never, never>>();
  /** Pipelines that go on for the sake of the cache. */
  readonly #lasting = new Set<LastingPipeline>();
  #closedBy: (() => Error) | undefined;

  constructor(settings: CallOperatorsSettings) {
    this.#settings = settings;
  }

  /** @throws TypeError for a wrong option, or a call that cannot be told from others */
  make<R, V>(
    call: LLMCall<R, unknown>,
    options: OperatorOptions,
    asker?: Asker<R, V>,
  ): OperatorFunction<R, CallOutcome<R, V>> {
    const { cache, run: runSettings, events: ownEvents, classify, maxWait } = this.#settings;
    const { traits, keys } = this.#rulesOf<R>(call, options);
    listenerSetting('events', options.events);
    const ordered = switchSetting('ordered', options.ordered, false);
    if (cache && options.namespace === undefined && !identityOfCall(call)) {
      this.#takeUnnamed(call);
    }
    const events = options.events ? bothOf(ownEvents, guarded(options.events)!) : ownEvents;
    const settings: RunSettings<R> = { ...runSettings, events };
    const misses = mergeBySettings<R, V>(asker?.context.bind(call) ?? call, () => settings);
    const { clock } = settings;
    const lasting = this.#lasting;
    const operator = cacheBySettings<R, V>(
      () => ({
        cache,
        clock,
        misses,
        keys,
        ordered,
        maxWait,
        traits: traits.read,
        events,
        lasting,
        classify,
      }),
      (run) => {
        const open = run as unknown as CacheRun<never, never>;
        this.#open.add(open);
        const ended = asker?.opened?.(run);
        return () => {
          this.#open.delete(open);
          ended?.();
        };
      },
    );
    return (source) =>
      new Observable((subscriber) => {
        if (this.#closedBy) {
          subscriber.error(this.#closedBy());
          return;
        }
        subscriber.add(source.pipe(operator).subscribe(subscriber));
      });
  }

  /** Tells whether a request would be answered from the cache, and if not, why not. */
  async explain<R>(
    call: LLMCall<R, unknown>,
    request: R,
    options: PromiseOptions,
  ): Promise<CacheExplanation | undefined> {
    const { traits, keys } = this.#rulesOf<R>(call, options);
    const read = traits.read(request);
    const { cache } = this.#settings;
    return cache && explain(cache[internalsOf], keys.of(request, read), read);
  }

  /** Fails all open requests, and whoever asks later. */
  close(error: () => Error): void {
    this.#closedBy = error;
    holdStarts(() => {
      for (const run of [...this.#open]) {
        run.closeWith(error());
      }
      for (const pipeline of [...this.#lasting]) {
        pipeline.abandonUnwanted();
      }
    });
  }

  /** How requests to a call are read and told apart. */
  #rulesOf<R>(call: LLMCall<R, unknown>, options: OperatorOptions) {
    requiredFunction('call', call);
    const traits = traitsOfRequests<R>(this.#settings.traits, traitsBeside(options));
    return { traits, keys: new RequestKeys<R>(options, traits, call) };
  }

  /** Takes in a call that only its function tells apart. */
  #takeUnnamed(call: LLMCall<never, unknown>): void {
    const { needsNames, events, run } = this.#settings;
    if (needsNames) {
      throw new TypeError(
        'The cache is shared or has a store, where a function cannot be told from others: name the call, ' +
          "as in optimizer.call(ask, request, { namespace: 'summaries' }), or take one of an adapter such as openaiCall.",
      );
    }
    if (this.#inlineCalls.isRepeated(call)) {
      events.next({ type: 'inline-call', at: run.clock.now(), name: call.name });
    }
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
