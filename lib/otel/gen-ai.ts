import type { TokenUsage } from 'rxllm';

/**
 * Names of the GenAI semantic conventions (open-telemetry/semantic-conventions-genai, v0.1.0). They are still in
 * development, so all that rxllm uses are here.
 */
export const genAI = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  model: 'gen_ai.response.model',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  duration: 'gen_ai.client.inference.duration',
} as const;

/** Attributes of the conventions that rxllm cannot know. */
export interface GenAIOptions {
  /** The operation of the calls: `chat`, `embeddings`, … @defaultValue `chat` */
  readonly operation?: string;
  /** The provider: `openai`, `anthropic`, `gcp.gemini`, … @defaultValue `_OTHER` */
  readonly provider?: string;
}

/** The attributes that spans and metrics share. */
export function commonAttributes({ operation = 'chat', provider = '_OTHER' }: GenAIOptions) {
  return { [genAI.operation]: operation, [genAI.provider]: provider };
}

/** The usage of the last call of a request, for its span. */
export function usageAttributes({ model, inputTokens, outputTokens }: TokenUsage) {
  return {
    ...(model !== undefined && { [genAI.model]: model }),
    ...(inputTokens !== undefined && { [genAI.inputTokens]: inputTokens }),
    ...(outputTokens !== undefined && { [genAI.outputTokens]: outputTokens }),
  };
}
