import OpenAI from 'openai';
import { defer, finalize, mergeMap, Subject, type Subscription } from 'rxjs';
import { startModelServer, type ModelServer, type ModelServerOptions } from '../model-server/server';
import type { NewsEvent } from './news-event';
import { costOf, priceOf } from './prices';
import { completionParameters, readSentiment, storyText } from './sentiment';

/** What the official client alone made of the events. */
export interface PlainFigures {
  readonly answered: number;
  readonly failed: number;
  /** Events that still waited for their answer, or for their turn. */
  readonly unanswered: number;
  /** Calls made, its own retries included. */
  readonly calls: number;
  /** Calls that the endpoint answered with 429. */
  readonly refused: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** US dollars. */
  readonly spent: number | undefined;
  /** Milliseconds from the first event to the last outcome, or to the end of the run if it was not through by then. */
  readonly duration: number;
}

/**
 * The program that one writes first: a `mergeMap` over the official client, which retries by itself. It runs beside the
 * desk on the same events, against a second model server with the same limits.
 */
export class PlainClient {
  readonly #server: ModelServer;
  readonly #model: string;
  readonly #events$ = new Subject<NewsEvent>();
  readonly #running: Subscription;
  #startedAt = 0;
  #taken = 0;
  #answered = 0;
  #failed = 0;
  #lastAt = 0;

  private constructor(server: ModelServer, model: string, maxConcurrent: number) {
    this.#server = server;
    this.#model = model;
    const client = new OpenAI({ baseURL: server.url, apiKey: 'none' });
    this.#running = this.#events$
      .pipe(
        mergeMap((event) => {
          const leaving = new AbortController();
          const judge = (): Promise<void> => this.#judge(client, event, leaving.signal);
          return defer(judge).pipe(finalize(() => leaving.abort()));
        }, maxConcurrent),
      )
      .subscribe();
  }

  /**
   * Starts the client and its server.
   * @param settings how the server behaves
   * @param maxConcurrent calls that run at once
   */
  static async start(
    settings: ModelServerOptions,
    model: string,
    maxConcurrent: number,
  ): Promise<PlainClient> {
    return new PlainClient(await startModelServer(settings), model, maxConcurrent);
  }

  /** Takes an event, and asks about it as soon as a call may start. */
  next(event: NewsEvent): void {
    if (this.#taken === 0) this.#startedAt = performance.now();
    this.#taken += 1;
    this.#events$.next(event);
  }

  /** How far it is. */
  get figures(): PlainFigures {
    const [answered, failed] = [this.#answered, this.#failed];
    const unanswered = this.#taken - answered - failed;
    const { received, refused, promptTokens, completionTokens } = this.#server.statistics();
    const price = priceOf(this.#model);
    return {
      answered,
      failed,
      unanswered,
      calls: received,
      refused: refused.requests + refused.tokens,
      inputTokens: promptTokens,
      outputTokens: completionTokens,
      spent: price && costOf(price, promptTokens, completionTokens),
      duration: unanswered === 0 ? this.#lastAt : performance.now() - this.#startedAt,
    };
  }

  /** Ends it wherever it is. */
  async close(): Promise<void> {
    this.#running.unsubscribe();
    await this.#server.close();
  }

  async #judge(client: OpenAI, event: NewsEvent, signal: AbortSignal): Promise<void> {
    try {
      readSentiment(
        await client.chat.completions.create(completionParameters(this.#model, storyText(event)), {
          signal,
        }),
      );
      this.#answered += 1;
    } catch {
      this.#failed += 1;
    }
    this.#lastAt = performance.now() - this.#startedAt;
  }
}
