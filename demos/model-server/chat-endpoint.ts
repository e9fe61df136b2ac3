import { setTimeout as pause } from 'node:timers/promises';
import { ApiError } from './api-error';
import { ChatAnswer, readChatRequest } from './chat';
import type { Exchange } from './exchange';
import type { ModelServerSettings } from './options';
import { logNormalFactor, seededRandom } from './random';
import type { RateLimits } from './rate-limits';
import { sentimentOf } from './sentiment';
import type { ModelServerStatistics } from './statistics';
import { countError, emptyStatistics } from './statistics';

interface Fate {
  readonly kind: 'answer' | 'failure' | 'overload' | 'hang';
  readonly latencyFactor: number;
}

/** Answers `POST /v1/chat/completions`. */
export class ChatEndpoint {
  readonly statistics: ModelServerStatistics = emptyStatistics();
  readonly #settings: ModelServerSettings;
  readonly #limits: RateLimits;
  readonly #random;

  constructor(settings: ModelServerSettings, limits: RateLimits) {
    this.#settings = settings;
    this.#limits = limits;
    this.#random = seededRandom(settings.seed);
  }

  /**
   * Handles one call and counts what became of it.
   * @param authorize throws if the call may not be made
   */
  async handle(exchange: Exchange, authorize: () => void): Promise<void> {
    const { statistics } = this;
    statistics.received += 1;
    statistics.running += 1;
    try {
      authorize();
      const answer = await this.#answer(exchange);
      if (answer === undefined) {
        statistics.hung += 1;
      } else {
        statistics.answered += 1;
        statistics.promptTokens += answer.usage.prompt_tokens;
        statistics.completionTokens += answer.usage.completion_tokens;
      }
    } catch (error) {
      if (exchange.broken) statistics.aborted += 1;
      else if (error instanceof ApiError) countError(statistics, error);
      else statistics.failed += 1;
      throw error;
    } finally {
      statistics.running -= 1;
    }
  }

  /** Sends the answer and returns it; returns undefined for a call that is left hanging. */
  async #answer(exchange: Exchange): Promise<ChatAnswer | undefined> {
    const request = readChatRequest(await exchange.readBody());
    // Drawn before admission, so that how a call fares depends on the order of the calls alone.
    const fate = this.#drawFate();
    const { defaultMaxTokens, latencyBase, latencyPerToken } = this.#settings;
    const now = performance.now();
    try {
      this.#limits.admit(request.model, request.promptTokens + (request.maxTokens ?? defaultMaxTokens), now);
    } finally {
      exchange.setHeaders(this.#limits.headers(now));
    }
    if (fate.kind === 'hang') return undefined;

    const base = latencyBase * fate.latencyFactor;
    const perToken = latencyPerToken * fate.latencyFactor;
    if (fate.kind !== 'answer') {
      await pauseUntil(now + base, exchange.signal);
      throw fate.kind === 'failure'
        ? new ApiError(
            500,
            'The server had an error while processing your request. Sorry about that!',
            'server_error',
          )
        : new ApiError(503, 'The engine is currently overloaded, please try again later.', 'server_error');
    }
    const answer = new ChatAnswer(request, JSON.stringify(sentimentOf(request.userText)));
    if (request.stream) {
      await this.#stream(exchange, answer, now + base, perToken);
    } else {
      await pauseUntil(now + base + perToken * answer.usage.completion_tokens, exchange.signal);
      exchange.sendJson(200, answer.completion());
    }
    return answer;
  }

  async #stream(exchange: Exchange, answer: ChatAnswer, start: number, perToken: number): Promise<void> {
    await pauseUntil(start, exchange.signal);
    exchange.startEvents();
    exchange.sendEvent(JSON.stringify(answer.openingChunk()));
    for (const [index, chunk] of answer.tokenChunks().entries()) {
      await pauseUntil(start + (index + 1) * perToken, exchange.signal);
      exchange.sendEvent(JSON.stringify(chunk));
    }
    for (const chunk of answer.closingChunks()) exchange.sendEvent(JSON.stringify(chunk));
    exchange.sendEvent('[DONE]');
    exchange.response.end();
  }

  #drawFate(): Fate {
    const { failureRate, hangRate, jitter } = this.#settings;
    const hangs = this.#random() < hangRate;
    const fails = this.#random() < failureRate;
    const overloaded = this.#random() < 0.5;
    const latencyFactor = logNormalFactor(this.#random, jitter);
    if (hangs) return { kind: 'hang', latencyFactor };
    if (fails) return { kind: overloaded ? 'overload' : 'failure', latencyFactor };
    return { kind: 'answer', latencyFactor };
  }
}

/** Waits for a moment rather than for a time, so that the small delays of many waits do not add up. */
async function pauseUntil(moment: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const milliseconds = moment - performance.now();
  if (milliseconds > 0) await pause(milliseconds, undefined, { signal });
}
