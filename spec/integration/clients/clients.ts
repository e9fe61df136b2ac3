/* eslint-disable rxjs-x/no-ignored-default-value -- an answer without a value fails as it should */
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { ChatOpenAI } from '@langchain/openai';
import { Mistral } from '@mistralai/mistralai';
import { generateText } from 'ai';
import axios from 'axios';
import { CohereClientV2 } from 'cohere-ai';
import Groq from 'groq-sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { firstValueFrom, map } from 'rxjs';
import { ajax } from 'rxjs/ajax';
import { BrowserRequest } from './browser-request';

/** Milliseconds after which each client gives up by itself. */
const timeout = 1000;
const apiKey = 'none';
const model = 'm';
const messages = [{ role: 'user' as const, content: 'question' }];

/** Asks the server at an address, with retries off and a timeout of the client's own. */
export type Client = (url: string) => Promise<unknown>;

/** The clients, by the names that their packages have. */
export const clients: Readonly<Record<string, Client>> = {
  'fetch by hand': async (url) => {
    const response = await fetch(url, { method: 'POST', body: '{}', signal: AbortSignal.timeout(timeout) });
    if (!response.ok) {
      throw new Error(`HTTP ${response.status}`);
    }
    return response.json();
  },
  'rxjs/ajax': (url) =>
    firstValueFrom(
      ajax({
        url,
        method: 'POST',
        body: {},
        timeout,
        createXHR: () => new BrowserRequest() as never,
      }).pipe(map(({ response }) => response)),
    ),
  axios: async (url) => (await axios.post<unknown>(url, {}, { timeout })).data,
  openai: (baseURL) =>
    new OpenAI({ apiKey, baseURL, timeout, maxRetries: 0 }).chat.completions.create({ model, messages }),
  '@anthropic-ai/sdk': (baseURL) =>
    new Anthropic({ apiKey, baseURL, timeout, maxRetries: 0 }).messages.create({
      model,
      messages,
      max_tokens: 5,
    }),
  '@google/genai': (baseUrl) =>
    new GoogleGenAI({ apiKey, httpOptions: { baseUrl, timeout } }).models.generateContent({
      model,
      contents: 'question',
    }),
  // It has no timeout; neither has the AI SDK.
  ollama: (host) =>
    new Ollama({
      host,
      fetch: (input, init) => fetch(input, { ...init, signal: AbortSignal.timeout(timeout) }),
    }).chat({ model, messages, stream: false }),
  '@mistralai/mistralai': (serverURL) =>
    new Mistral({ apiKey, serverURL, timeoutMs: timeout, retryConfig: { strategy: 'none' } }).chat.complete({
      model,
      messages,
    }),
  'groq-sdk': (baseURL) =>
    new Groq({ apiKey, baseURL, timeout, maxRetries: 0 }).chat.completions.create({ model, messages }),
  'cohere-ai': (environment) =>
    new CohereClientV2({ token: apiKey, environment }).chat(
      { model, messages },
      { maxRetries: 0, timeoutInSeconds: timeout / 1000 },
    ),
  ai: (baseURL) =>
    generateText({
      model: createOpenAI({ apiKey, baseURL }).chat(model),
      prompt: 'question',
      maxRetries: 0,
      abortSignal: AbortSignal.timeout(timeout),
    }),
  '@langchain/openai': (baseURL) =>
    new ChatOpenAI({ apiKey, model, timeout, maxRetries: 0, configuration: { baseURL } }).invoke('question'),
};
