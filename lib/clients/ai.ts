import type { CallContext, TokenUsage } from '../core/call';
import {
  configObject,
  functionSetting,
  noUnknownFields,
  replaySetting,
  requiredText,
} from '../core/settings';
import type { StreamCall } from '../core/stream';
import type { CallTraits } from '../core/traits';
import type { LLMCallOptimizer } from '../optimizer/llm-call-optimizer';
import { requiredOptimizer } from './client-settings';
import { fromFirstWords } from './first-words';
import { openStream } from './open-stream';

/** The parameters of a call of the AI SDK, as far as rxllm reads them. */
export interface AIParameters {
  readonly abortSignal?: AbortSignal | undefined;
  readonly headers?: unknown;
}

/** A language model of the AI SDK, as far as rxllm uses it. */
export interface AIModel {
  readonly provider: string;
  readonly modelId: string;
  readonly doGenerate: (parameters: never) => PromiseLike<unknown>;
  readonly doStream: (parameters: never) => PromiseLike<unknown>;
}

/** What the AI SDK hands a middleware. */
export interface AICall {
  readonly model: AIModel;
  readonly params: AIParameters;
}

/** A middleware for `wrapLanguageModel` of the AI SDK 6 and 7. */
export interface AIMiddleware {
  /** The SDK 6 asks for it, and 7 takes it. */
  readonly specificationVersion: 'v3';
  readonly wrapGenerate: <T>(call: AICall & { readonly doGenerate: () => PromiseLike<T> }) => Promise<T>;
  readonly wrapStream: <T>(call: AICall & { readonly doStream: () => PromiseLike<T> }) => Promise<T>;
}

/** The options of {@link rxllmMiddleware}. */
export interface AIMiddlewareOptions {
  /**
   * Keeps the answers apart from those of other calls in the cache. A model is known by the names of its provider and
   * its own: give a namespace each to models that share both and ask different addresses.
   *
   * @defaultValue `'rxllm/ai'`
   */
  readonly namespace?: string | undefined;
  /**
   * Reads the traits of a call: its priority, lane, deadline.
   *
   * @defaultValue no traits
   */
  readonly traits?: ((parameters: AIParameters) => CallTraits) | undefined;
  /**
   * How a kept stream is given: its parts at once, or one after the other, `chunkDelay` milliseconds apart.
   *
   * @defaultValue `'chunks'`
   */
  readonly replay?: 'chunks' | { readonly chunkDelay: number } | undefined;
}

interface Result {
  readonly response?: { readonly headers?: Record<string, string> };
  readonly usage?: Usage;
}

interface Usage {
  readonly inputTokens?: {
    readonly total?: number;
    readonly cacheRead?: number;
    readonly cacheWrite?: number;
  };
  readonly outputTokens?: { readonly total?: number; readonly reasoning?: number };
}

interface Part {
  readonly type: string;
  readonly delta?: string;
  readonly error?: unknown;
  readonly usage?: Usage;
  readonly finishReason?: { readonly unified?: string } | string;
}

/** A part of a stream. The first one has what the model's answer holds besides the stream. */
interface StreamedPart {
  readonly answer?: object;
  readonly part: Part;
  readonly isLast?: boolean;
}

/** Parts that come before the model has said anything. */
const preludes = new Set([
  'stream-start',
  'response-metadata',
  'raw',
  'ping',
  'text-start',
  'reasoning-start',
]);

/** Ends that no model has given: what comes before them is no answer if it has no words. */
const endsWithoutAnswer = new Set<string | undefined>(['other', 'unknown', 'interrupted', undefined]);

/** Parts that are no content by themselves: those of texts, and what is about the stream. */
const aboutContent = /-(?:start|delta|end)$|^(?:finish|error)$/;

/**
 * Makes a middleware of the AI SDK that sends the calls of a language model through an optimizer: pace, priorities, cache,
 * shared calls and retries for `generateText`, `streamText` and all that is built on them. Switch the SDK's retries off
 * (`maxRetries: 0`), as rxllm retries through its queue.
 *
 * @example
 * const model = wrapLanguageModel({ model: openai('gpt-4o-mini'), middleware: rxllmMiddleware(optimizer) });
 * const { text } = await generateText({ model, prompt: 'Why is gold up?', maxRetries: 0 });
 *
 * @throws TypeError or RangeError that names the wrong option
 */
export function rxllmMiddleware(
  optimizer: LLMCallOptimizer,
  options: AIMiddlewareOptions = {},
): AIMiddleware {
  requiredOptimizer('rxllmMiddleware must be given an LLMCallOptimizer, but got', optimizer);
  noUnknownFields('rxllmMiddleware', configObject('rxllmMiddleware', options), [
    'namespace',
    'traits',
    'replay',
  ]);
  const { namespace = 'rxllm/ai', traits, replay = 'chunks' } = options;
  requiredText('namespace', namespace);
  functionSetting('traits', traits);
  replaySetting(replay, ['chunks']);
  const requestOf = ({ model: { provider, modelId }, params }: AICall) => {
    const asked = Object.entries(params).filter(([name]) => name !== 'abortSignal' && name !== 'headers');
    return { provider, modelId, params: Object.fromEntries(asked) };
  };
  const optionsOf = ({ params }: AICall) => ({ ...traits?.(params), namespace, signal: params.abortSignal });
  return {
    specificationVersion: 'v3',
    wrapGenerate: async <T>(call: AICall): Promise<T> => {
      const generate = async (_request: unknown, context: CallContext): Promise<T> => {
        const result = await call.model.doGenerate(underSignal(call, context));
        reportResult(result as Result, call.model, context);
        return result as T;
      };
      return withoutRetries(optimizer.call(generate, requestOf(call), optionsOf(call)));
    },
    wrapStream: async <T>(call: AICall): Promise<T> => {
      const parts$ = optimizer.stream(streamCall(call), requestOf(call), { ...optionsOf(call), replay });
      const { first, pieces } = await withoutRetries(openStream(parts$, ({ part }) => part));
      return { ...first.answer, stream: pieces } as T;
    },
  };
}

function streamCall(call: AICall): StreamCall<unknown, StreamedPart, object> {
  return {
    open: (_request, context) => partsOf(call, context),
    collect: resultOf,
    isWhole: (parts) =>
      parts.some(({ part }) => isFinish(part)) && !parts.some(({ part }) => part.type === 'error'),
  };
}

/** As much of the result that the model would have given in one piece as tells whether it may be kept. */
function resultOf(streamed: readonly StreamedPart[]): object {
  const parts = streamed.map(({ part }) => part);
  const text = parts.map(({ type, delta }) => (type === 'text-delta' ? delta : '')).join('');
  const others = parts.filter(({ type }) => !preludes.has(type) && !aboutContent.test(type));
  return { content: [{ type: 'text', text }, ...others], finishReason: parts.find(isFinish)?.finishReason };
}

async function* partsOf(call: AICall, context: CallContext): AsyncGenerator<StreamedPart> {
  const { stream, ...answer } = (await call.model.doStream(underSignal(call, context))) as {
    readonly stream: ReadableStream<Part>;
  } & Result;
  reportResult(answer, call.model, context);
  let first: { readonly answer: object } | undefined = { answer };
  for await (const part of fromFirstWords(reported(stream, call.model, context), isPrelude)) {
    yield { ...first, part, isLast: isFinish(part) };
    first = undefined;
  }
}

async function* reported(
  parts: ReadableStream<Part>,
  model: AIModel,
  context: CallContext,
): AsyncGenerator<Part> {
  for await (const part of parts) {
    if (isFinish(part)) {
      reportResult(part, model, context);
    }
    yield part;
  }
}

function isPrelude(part: Part): boolean {
  if (part.type === 'error') {
    throw part.error;
  }
  return isFinish(part) ? endsWithoutAnswer.has(reasonOf(part)) : preludes.has(part.type);
}

function underSignal({ params }: AICall, { signal }: CallContext): never {
  return { ...params, abortSignal: signal } as never;
}

function reportResult({ response, usage }: Result, { modelId }: AIModel, { report }: CallContext): void {
  const headers = response?.headers;
  if (headers || usage) {
    report({ ...(headers && { headers }), ...(usage && { usage: usageOfAI(usage, modelId) }) });
  }
}

function usageOfAI({ inputTokens, outputTokens }: Usage, model: string): TokenUsage {
  const counts = {
    inputTokens: inputTokens?.total,
    outputTokens: outputTokens?.total,
    cachedInputTokens: inputTokens?.cacheRead,
    cacheWriteTokens: inputTokens?.cacheWrite,
    reasoningTokens: outputTokens?.reasoning,
  };
  const stated = Object.entries(counts).filter(([, count]) => count !== undefined);
  return { ...Object.fromEntries(stated), model };
}

function reasonOf({ finishReason }: Part): string | undefined {
  return typeof finishReason === 'object' ? finishReason.unified : finishReason;
}

function isFinish({ type }: Part): boolean {
  return type === 'finish';
}

/** Waits for the last word of rxllm, which has tried again what could be: the AI SDK is told not to. */
async function withoutRetries<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'isRetryable' in error) {
      Object.defineProperty(error, 'isRetryable', { value: false });
    }
    throw error;
  }
}
