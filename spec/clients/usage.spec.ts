import { usageOf } from '../../lib/clients/usage';
import type { TokenUsage } from '../../lib/core/call';

describe('usageOf', () => {
  it.each<[string, unknown, TokenUsage]>([
    [
      'a chat completion',
      { model: 'm', usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 } },
      { inputTokens: 7, outputTokens: 2, model: 'm' },
    ],
    [
      'a chat completion with every detail',
      {
        model: 'm',
        usage: {
          prompt_tokens: 20_000,
          completion_tokens: 100,
          total_tokens: 20_100,
          prompt_tokens_details: { cached_tokens: 19_000, cache_write_tokens: 500, audio_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 60, audio_tokens: 0 },
        },
      },
      {
        inputTokens: 20_000,
        outputTokens: 100,
        cachedInputTokens: 19_000,
        cacheWriteTokens: 500,
        reasoningTokens: 60,
        model: 'm',
      },
    ],
    [
      'reasoning beside the tokens of the answer, by the total',
      {
        usage: {
          prompt_tokens: 12,
          completion_tokens: 1,
          total_tokens: 399,
          completion_tokens_details: { reasoning_tokens: 386 },
        },
      },
      { inputTokens: 12, outputTokens: 387, reasoningTokens: 386 },
    ],
    [
      'reasoning within the tokens of the answer, by the total',
      {
        usage: {
          prompt_tokens: 12,
          completion_tokens: 387,
          total_tokens: 399,
          completion_tokens_details: { reasoning_tokens: 386 },
        },
      },
      { inputTokens: 12, outputTokens: 387, reasoningTokens: 386 },
    ],
    [
      'a total that is too small',
      { usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 0 } },
      { inputTokens: 12, outputTokens: 5 },
    ],
    [
      'a completion of DeepSeek',
      {
        usage: {
          prompt_tokens: 1000,
          completion_tokens: 50,
          total_tokens: 1050,
          prompt_cache_hit_tokens: 960,
          prompt_cache_miss_tokens: 40,
        },
      },
      { inputTokens: 1000, outputTokens: 50, cachedInputTokens: 960 },
    ],
    [
      'a completion of Moonshot',
      { usage: { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11, cached_tokens: 4 } },
      { inputTokens: 10, outputTokens: 1, cachedInputTokens: 4 },
    ],
    [
      'a completion of Claude through a gateway that speaks as OpenAI does, with all within the prompt',
      {
        usage: {
          prompt_tokens: 1000,
          completion_tokens: 5,
          total_tokens: 1005,
          cache_read_input_tokens: 900,
          cache_creation_input_tokens: 50,
        },
      },
      { inputTokens: 1000, outputTokens: 5, cachedInputTokens: 900, cacheWriteTokens: 50 },
    ],
    [
      'embeddings',
      { model: 'e', usage: { prompt_tokens: 8, total_tokens: 8 } },
      { inputTokens: 8, model: 'e' },
    ],
    [
      'a response',
      {
        object: 'response',
        model: 'm',
        usage: {
          input_tokens: 100,
          input_tokens_details: { cached_tokens: 64 },
          output_tokens: 30,
          output_tokens_details: { reasoning_tokens: 20 },
          total_tokens: 130,
        },
      },
      { inputTokens: 100, outputTokens: 30, cachedInputTokens: 64, reasoningTokens: 20, model: 'm' },
    ],
    [
      'the event of a response that is complete',
      {
        type: 'response.completed',
        response: { model: 'm', usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } },
      },
      { inputTokens: 1, outputTokens: 2, model: 'm' },
    ],
    [
      'a message, whose prompt leaves the prompt cache out',
      {
        type: 'message',
        model: 'c',
        usage: {
          input_tokens: 25,
          output_tokens: 15,
          cache_read_input_tokens: 19_000,
          cache_creation_input_tokens: 1000,
          output_tokens_details: { thinking_tokens: 9 },
          service_tier: 'standard',
        },
      },
      {
        inputTokens: 20_025,
        outputTokens: 15,
        cachedInputTokens: 19_000,
        cacheWriteTokens: 1000,
        reasoningTokens: 9,
        model: 'c',
      },
    ],
    [
      'a message without a prompt cache',
      {
        usage: {
          input_tokens: 25,
          output_tokens: 15,
          cache_read_input_tokens: null,
          cache_creation_input_tokens: null,
        },
      },
      { inputTokens: 25, outputTokens: 15 },
    ],
    [
      'the first event of a stream of a message',
      {
        type: 'message_start',
        message: { model: 'c', usage: { input_tokens: 25, cache_read_input_tokens: 100, output_tokens: 1 } },
      },
      { inputTokens: 125, outputTokens: 1, cachedInputTokens: 100, model: 'c' },
    ],
    [
      'the last event of a stream of a message',
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 15 } },
      { outputTokens: 15 },
    ],
    [
      'what Gemini generated',
      {
        candidates: [],
        modelVersion: 'g',
        usageMetadata: {
          promptTokenCount: 100,
          toolUsePromptTokenCount: 10,
          cachedContentTokenCount: 80,
          candidatesTokenCount: 20,
          thoughtsTokenCount: 300,
          totalTokenCount: 430,
        },
      },
      { inputTokens: 110, outputTokens: 320, cachedInputTokens: 80, reasoningTokens: 300, model: 'g' },
    ],
    [
      'the first chunk of Gemini',
      { modelVersion: 'g', usageMetadata: { promptTokenCount: 100, totalTokenCount: 100 } },
      { inputTokens: 100, model: 'g' },
    ],
  ])('reads %s', (_name, body, expected) => {
    expect(usageOf(body)).toEqual(expected);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', '<html>'],
    ['no usage', { model: 'm', choices: [] }],
    ['a usage that is null, as in the chunks of a stream', { model: 'm', usage: null }],
    ['an empty usage', { model: 'm', usage: {} }],
    ['a usage that is no object', { usage: 'much' }],
    ['figures that are none', { usage: { prompt_tokens: '7', completion_tokens: -1, total_tokens: NaN } }],
  ])('finds none in %s', (_name, body) => {
    expect(usageOf(body)).toBeUndefined();
  });
});
