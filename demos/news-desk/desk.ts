import { concatMap, from, lastValueFrom, map, tap, type Observable, type OperatorFunction } from 'rxjs';
import {
  LLMCallOptimizer,
  LLMResultCache,
  settled,
  type CacheStore,
  type CallContext,
  type CallOutcome,
  type CallPriority,
  type StatsSnapshot,
} from '../../lib/index';
import type { StatsServer } from '../../lib/live';
import { openaiCall, openaiStreamCall } from '../../lib/openai';
import { DemoError, reasonOf } from '../shared/demo-error';
import { fatalReason, likelyReason, mostFailures, reasonInVain } from '../shared/failures';
import type { ModelConnection } from '../shared/model-connection';
import type { Input } from './input';
import { LookAhead } from './look-ahead';
import { priorityOfClass, type InputItem, type NewsEvent } from './news-event';
import { priceOf } from './prices';
import { replay } from './replay';
import type { ResultsFile } from './results-file';
import { completionParameters, expectedTokens, readSentiment, storyText, type Sentiment } from './sentiment';
import { Tally } from './tally';

/** One event on its way through rxllm, which reads priority, key and tokens off it by their names. */
export interface DeskRequest {
  readonly event: NewsEvent;
  readonly priority: CallPriority;
  /** Made of what the model is asked: the same story from another outlet, at another time, has the same key. */
  readonly cacheKey: string;
  /** The endpoint: another one that serves a model of the same name may answer otherwise. */
  readonly cacheScope: string;
  /** Tokens the call may use, reserved from the endpoint's token budget when it starts. */
  readonly tokens: number;
}

/** What the desk keeps of a call. */
export interface Answer {
  readonly sentiment: Sentiment;
}

/** How the desk works. */
export interface DeskOptions {
  readonly input: Input;
  readonly connection: ModelConnection;
  readonly speed: number;
  readonly limit: number;
  readonly maxConcurrent: number;
  /** Whether answers come token by token. */
  readonly stream: boolean;
  readonly results: ResultsFile | undefined;
  /** Where answers stay beyond this run. */
  readonly store: CacheStore | undefined;
  /** Ends the run early: no more input, running calls aborted. */
  readonly stop: AbortController;
  /** Hears of a piece of input that could not be used, the first of each kind. */
  readonly onBroken: (place: string, problem: string) => void;
  /** Hears of each event when it arrives. */
  readonly onEvent: (event: NewsEvent) => void;
}

/** Events that may be read ahead of their answers. */
const lookAhead = 1_000;

/** Milliseconds an answer is worth keeping: what a story means does not change, but models do. */
const week = 7 * 24 * 3_600_000;

/** Times that a view can show: more often than this, statistics are not made. */
const sampleInterval = 200;

/** Reads events, asks for the sentiment of their stories through rxllm, and keeps the tally. */
export class Desk {
  readonly tally: Tally;
  readonly #options: DeskOptions;
  readonly #optimizer: LLMCallOptimizer;
  #fatal: DemoError | undefined;
  /** Failures that every call may meet, while nothing was answered. One call may fail for many events. */
  readonly #suspects = new Set<unknown>();
  /** Whether some event failed in another way. */
  #hasOwnFailures = false;

  constructor(options: DeskOptions) {
    this.#options = options;
    const { connection, maxConcurrent, store } = options;
    const price = priceOf(connection.model);
    this.#optimizer = new LLMCallOptimizer({
      // Only until the endpoint's first answer states its limits, which set the pace from then on.
      baseInterval: 250,
      // Whoever gives a directory would rather wait for a busy disk than pay for an answer again.
      cache: { defaultTtl: week, maxSize: 10_000, ...(store && { store, storeDeadline: 2_000 }) },
      maxConcurrent,
      timeout: 60_000,
      retry: { attempts: 3 },
      sampleInterval,
      // Endpoints answer with a longer name than was asked for: that of the release.
      ...(price && { prices: { [`${connection.model}*`]: price } }),
    });
    this.tally = new Tally(options.input, options.limit);
  }

  /** Snapshots of rxllm's figures: the latest at once, then each change. */
  get stats$(): Observable<StatsSnapshot> {
    return this.#optimizer.stats$;
  }

  /** Shows the run live, until the server is closed. */
  async serve(): Promise<StatsServer> {
    // Only now, because it bundles the page first.
    const { serveStats } = await import('../../lib/live');
    return serveStats(this.#optimizer, { port: 0, title: 'News desk', currency: '$' });
  }

  /** The figures as they are now. */
  get stats(): StatsSnapshot {
    return this.#optimizer.getStats();
  }

  /**
   * Resolves when every event has its outcome, or when the run was stopped and what was running has ended.
   * @throws DemoError in one sentence if the run had to be broken off
   */
  async run(): Promise<void> {
    const { input, speed, limit, results, stop, onBroken, onEvent } = this.#options;
    const room = new LookAhead(lookAhead);
    const onItem = (item: InputItem): void => {
      const isNews = this.tally.read(item);
      if (item.kind === 'broken' && isNews) onBroken(item.place, item.problem);
    };
    stop.signal.addEventListener('abort', () => this.#optimizer.close());
    // The stop may have come while the input was being opened.
    if (stop.signal.aborted) this.#optimizer.close();

    try {
      const outcomes$ = replay(input.items, {
        speed,
        limit,
        lookAhead: room,
        signal: stop.signal,
        onItem,
        onEnd: () => this.tally.readAll(),
      }).pipe(
        tap(onEvent),
        map((event) => this.#requestOf(event)),
        this.#ask(),
        tap((outcome) => this.#settle(outcome)),
        concatMap(async (outcome) => {
          await results?.write(outcome);
          room.leave();
        }),
      );
      await lastValueFrom(outcomes$, { defaultValue: undefined });
    } catch (error) {
      const isOfSystem = error instanceof Error && 'code' in error;
      throw isOfSystem ? new DemoError(`${input.name} cannot be read: ${reasonOf(error)}`) : error;
    } finally {
      this.#optimizer.close();
    }
    const isRefused = this.tally.answered === 0 && this.#suspects.size > 0 && !this.#hasOwnFailures;
    if (isRefused) this.#endForLikelyReason();
    if (this.#fatal !== undefined) throw this.#fatal;
  }

  #ask(): OperatorFunction<DeskRequest, CallOutcome<DeskRequest, Answer>> {
    const { connection, stream } = this.#options;
    // The answers are kept from run to run under the name of what they tell.
    const options = { namespace: 'sentiment', events: this.tally };
    if (!stream) return this.#optimizer.optimize(sentimentCall(connection), options);
    const operator = this.#optimizer.optimizeStream(sentimentStream(connection), options);
    return (requests$) => requests$.pipe(operator, settled());
  }

  #requestOf(event: NewsEvent): DeskRequest {
    const text = storyText(event);
    const { model, endpoint, isOwn } = this.#options.connection;
    return {
      event,
      priority: priorityOfClass[event.storyClass],
      cacheKey: LLMResultCache.generateKey(completionParameters(model, text)),
      // A server of its own answers at another port each time.
      cacheScope: isOwn ? 'a server of its own' : endpoint,
      tokens: expectedTokens(text),
    };
  }

  #settle(outcome: CallOutcome<DeskRequest, Answer>): void {
    const { connection, stop } = this.#options;
    const hasAnswered = this.tally.answered > 0;
    this.tally.settle(outcome);
    if (outcome.ok || stop.signal.aborted) return;
    const { error } = outcome;
    const reason = fatalReason(error, connection, hasAnswered);
    if (reason !== undefined) this.#end(reason);
    if (hasAnswered) return;
    if (likelyReason(error, connection) === undefined) this.#hasOwnFailures = true;
    else this.#suspects.add(error);
    if (this.#suspects.size >= mostFailures) this.#endForLikelyReason();
  }

  #endForLikelyReason(): void {
    this.#end(reasonInVain([...this.#suspects], this.#options.connection));
  }

  #end(reason: string): void {
    this.#fatal ??= new DemoError(reason);
    this.#options.stop.abort();
  }
}

/** The call for one story: the model is asked, and its answer read; one that cannot be read is a failed call. */
function sentimentCall({ client, model }: ModelConnection) {
  const complete = openaiCall(client, ({ event }: DeskRequest) =>
    completionParameters(model, storyText(event)),
  );
  return (request: DeskRequest, context: CallContext): Observable<Answer> =>
    from(complete(request, context)).pipe(map((completion) => ({ sentiment: readSentiment(completion) })));
}

/** The same call with its answer token by token. */
function sentimentStream({ client, model }: ModelConnection) {
  const complete = openaiStreamCall(client, ({ event }: DeskRequest) => ({
    ...completionParameters(model, storyText(event)),
    stream_options: { include_usage: true },
  }));
  return {
    open: complete.open,
    isWhole: complete.isWhole!,
    collect: (chunks: Parameters<typeof complete.collect>[0]): Answer => ({
      sentiment: readSentiment(complete.collect(chunks)),
    }),
  };
}
