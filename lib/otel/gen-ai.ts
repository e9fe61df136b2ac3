import type { TokenUsage } from 'rxllm';

/**
 * Names of the GenAI semantic conventions (open-telemetry/semantic-conventions-genai, v0.1.0). All that rxllm uses stand
 * here, because they are in development and change.
 */
export const genAI = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  model: 'gen_ai.response.model',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  duration: 'gen_ai.client.inference.duration',
} as const;

/** What the conventions want to know and rxllm cannot see. */
export interface GenAIOptions {
  /** What the calls do: `chat`, `embeddings`, … Default `chat`. */
  readonly operation?: string;
  /** Who answers: `openai`, `anthropic`, `gcp.gemini`, … Default `_OTHER`. */
  readonly provider?: string;
}

/** The attributes that spans and metrics share. */
export function commonAttributes({ operation = 'chat', provider = '_OTHER' }: GenAIOptions) {
  return { [genAI.operation]: operation, [genAI.provider]: provider };
}

/** What the last call of a request used up, for its span. */
export function usageAttributes({ model, inputTokens, outputTokens }: TokenUsage) {
  return {
    ...(model !== undefined && { [genAI.model]: model }),
    ...(inputTokens !== undefined && { [genAI.inputTokens]: inputTokens }),
    ...(outputTokens !== undefined && { [genAI.outputTokens]: outputTokens }),
  };
}
