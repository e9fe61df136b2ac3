import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { ChatOpenAI } from '@langchain/openai';
import { HTTPClient, Mistral } from '@mistralai/mistralai';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, streamText, wrapLanguageModel } from 'ai';
import Groq from 'groq-sdk';
import type OpenAI from 'openai';
import type { LLMCallOptimizer } from 'rxllm';
import { rxllmMiddleware } from 'rxllm/ai';
import { anthropicMiddleware } from 'rxllm/anthropic';
import { llmFetch } from 'rxllm/fetch';
import { openaiMajors } from './openai-majors';

/** A real client whose calls go through an optimizer. */
export interface RealClient {
  readonly name: string;
  readonly whole: (prompt: string, signal?: AbortSignal) => Promise<string | null | undefined>;
  /** Opens a stream, of which nothing has been read yet. */
  readonly streamed: (prompt: string, signal?: AbortSignal) => Promise<AsyncIterable<string>>;
}

const day = 86_400_000;
const model = 'model';
const asked = (prompt: string) => [{ role: 'user' as const, content: prompt }];
const under = (signal: AbortSignal | undefined) => (signal ? { signal } : {});

/**
 * All clients that are tried, each through its own seam.
 *
 * @param patience milliseconds after which the client itself gives up; Google's and the AI SDK never do by default
 */
export function realClients(optimizer: LLMCallOptimizer, url: string, patience?: number): RealClient[] {
  const timeout = patience ?? day;
  const fetch = llmFetch(optimizer);
  const throwing = llmFetch(optimizer, { refuse: 'throw' });
  return [
    ...openaiMajors.map(([major, SDK]) =>
      ofOpenAI(
        `openai ${major}`,
        new SDK({ apiKey: 'none', baseURL: `${url}/v1`, fetch, maxRetries: 0, timeout }),
      ),
    ),
    ofOpenAI(
      'groq-sdk',
      new Groq({ apiKey: 'none', baseURL: url, fetch, maxRetries: 0, timeout }) as unknown as OpenAI,
    ),
    ofAnthropic(
      '@anthropic-ai/sdk, `fetch`',
      new Anthropic({ apiKey: 'none', baseURL: url, fetch, maxRetries: 0, timeout }),
    ),
    ofAnthropic(
      '@anthropic-ai/sdk, `middleware`',
      new Anthropic({
        apiKey: 'none',
        baseURL: url,
        middleware: [anthropicMiddleware(optimizer)],
        maxRetries: 0,
        timeout,
      }),
    ),
    ofGoogle(
      new GoogleGenAI({
        apiKey: 'none',
        httpOptions: { baseUrl: url, fetch: throwing, ...(patience && { timeout: patience }) },
      }),
    ),
    ofMistral(
      new Mistral({
        apiKey: 'none',
        serverURL: url,
        httpClient: new HTTPClient({ fetcher: throwing }),
        ...(patience && { timeoutMs: patience }),
      }),
    ),
    ofLangChain(
      new ChatOpenAI({
        apiKey: 'none',
        model,
        maxRetries: 0,
        timeout,
        configuration: { baseURL: `${url}/v1`, fetch },
      }),
    ),
    ofAI(
      'ai, `fetch`',
      createOpenAI({ apiKey: 'none', baseURL: `${url}/v1`, fetch: throwing }).chat(model),
      patience,
    ),
    ofAI(
      'ai, `middleware`',
      wrapLanguageModel({
        model: createOpenAI({ apiKey: 'none', baseURL: `${url}/v1` }).chat(model),
        middleware: rxllmMiddleware(optimizer),
      }),
      patience,
    ),
  ];
}

function ofOpenAI(name: string, client: OpenAI): RealClient {
  return {
    name,
    whole: async (prompt, signal) => {
      const { choices } = await client.chat.completions.create(
        { model, messages: asked(prompt) },
        under(signal),
      );
      return choices[0]?.message.content;
    },
    streamed: async (prompt, signal) => {
      const chunks = await client.chat.completions.create(
        { model, messages: asked(prompt), stream: true },
        under(signal),
      );
      return textsOf(chunks, ({ choices }) => choices[0]?.delta.content);
    },
  };
}

function ofAnthropic(name: string, client: Anthropic): RealClient {
  const body = (prompt: string) => ({ model, max_tokens: 100, messages: asked(prompt) });
  return {
    name,
    whole: async (prompt, signal) => {
      const { content } = await client.messages.create(body(prompt), under(signal));
      return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
    },
    streamed: async (prompt, signal) => {
      const events = await client.messages.create({ ...body(prompt), stream: true }, under(signal));
      return textsOf(events, (event) =>
        event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : '',
      );
    },
  };
}

function ofGoogle(client: GoogleGenAI): RealClient {
  const params = (contents: string, signal?: AbortSignal) => ({
    model,
    contents,
    config: signal ? { abortSignal: signal } : {},
  });
  return {
    name: '@google/genai',
    whole: async (prompt, signal) => (await client.models.generateContent(params(prompt, signal))).text,
    streamed: async (prompt, signal) =>
      textsOf(await client.models.generateContentStream(params(prompt, signal)), ({ text }) => text),
  };
}

function ofMistral(client: Mistral): RealClient {
  const options = (signal?: AbortSignal) => (signal ? { fetchOptions: { signal } } : {});
  return {
    name: '@mistralai/mistralai',
    whole: async (prompt, signal) => {
      const { choices } = await client.chat.complete({ model, messages: asked(prompt) }, options(signal));
      return choices[0]?.message?.content as string;
    },
    streamed: async (prompt, signal) => {
      const events = await client.chat.stream({ model, messages: asked(prompt) }, options(signal));
      return textsOf(events, ({ data }) => data.choices[0]?.delta.content as string | undefined);
    },
  };
}

function ofLangChain(chat: ChatOpenAI): RealClient {
  return {
    name: '@langchain/openai',
    whole: async (prompt, signal) => (await chat.invoke(prompt, under(signal))).content as string,
    streamed: async (prompt, signal) =>
      textsOf(await chat.stream(prompt, under(signal)), ({ content }) => content as string),
  };
}

function ofAI(
  name: string,
  model: Parameters<typeof generateText>[0]['model'],
  timeout: number | undefined,
): RealClient {
  const settings = (prompt: string, signal?: AbortSignal) => ({
    model,
    prompt,
    maxRetries: 0,
    ...(timeout && { timeout }),
    ...(signal && { abortSignal: signal }),
  });
  return {
    name,
    whole: async (prompt, signal) => (await generateText(settings(prompt, signal))).text,
    streamed: (prompt, signal) => {
      // The stream of texts ends well whatever happened.
      let failure: unknown;
      const { textStream } = streamText({
        ...settings(prompt, signal),
        onError: ({ error }) => void (failure = error),
        onAbort: () => void (failure = new DOMException('The stream was aborted.', 'AbortError')),
      });
      return Promise.resolve(
        textsOf(
          textStream,
          (text) => text,
          () => failure,
        ),
      );
    },
  };
}

/** The texts in what a stream brings; it fails at its end if something went wrong that the stream itself did not tell. */
async function* textsOf<T>(
  pieces: AsyncIterable<T>,
  textOf: (piece: T) => string | null | undefined,
  failure?: () => unknown,
): AsyncGenerator<string> {
  for await (const piece of pieces) {
    const text = textOf(piece);
    if (text) {
      yield text;
    }
  }
  if (failure?.()) {
    throw failure() as Error;
  }
}
