import type { TokenUsage } from '../core/call';

type Fields = Readonly<Record<string, unknown>>;

const nothing: Fields = {};

/**
 * Reads the usage off the body of an answer, or off an event of a stream, in the words of OpenAI (chat completions,
 * completions, embeddings, responses) and of those compatible with it, of Anthropic and of Gemini; undefined if it
 * states none. Some leave tokens of the prompt cache or of reasoning out of their sums: here they are in.
 *
 * @example
 * const ask = async (question: string, { signal, report }: CallContext) => {
 *   const response = await fetch(url, { method: 'POST', body: bodyOf(question), signal });
 *   const body = await response.json();
 *   const usage = usageOf(body);
 *   report({ headers: response.headers, ...(usage && { usage }) });
 *   return body;
 * };
 */
export function usageOf(body: unknown): TokenUsage | undefined {
  const outer = fieldsOf(body);
  // Events of streams carry what they are about: `message_start` of Anthropic, `response.completed` of OpenAI.
  const inner = [outer, fieldsOf(outer['message']), fieldsOf(outer['response'])];
  const answer = inner.find((one) => isFields(one['usage']) || isFields(one['usageMetadata']));
  if (!answer) {
    return undefined;
  }
  const usage = isFields(answer['usageMetadata'])
    ? usageOfGemini(answer['usageMetadata'])
    : usageIn(fieldsOf(answer['usage']));
  const model = [answer['model'], answer['modelVersion'], outer['model']].find(isName);
  const stated = Object.entries(usage).filter(([, count]) => count !== undefined);
  return stated.length === 0 ? undefined : { ...Object.fromEntries(stated), ...(model && { model }) };
}

interface Counts {
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly cachedInputTokens: number | undefined;
  readonly cacheWriteTokens: number | undefined;
  readonly reasoningTokens: number | undefined;
}

/** The usage of OpenAI, of those compatible with it, and of Anthropic. */
function usageIn(usage: Fields): Counts {
  const ofPrompt = fieldsOf(usage['prompt_tokens_details'] ?? usage['input_tokens_details']);
  const ofAnswer = fieldsOf(usage['completion_tokens_details'] ?? usage['output_tokens_details']);
  const cachedInputTokens = counted(
    ofPrompt['cached_tokens'],
    usage['cache_read_input_tokens'],
    // DeepSeek's and Moonshot's.
    usage['prompt_cache_hit_tokens'],
    usage['cached_tokens'],
  );
  const cacheWriteTokens = counted(ofPrompt['cache_write_tokens'], usage['cache_creation_input_tokens']);
  // Anthropic counts both beside `input_tokens`; who says `prompt_tokens` counts them within.
  const beside = sum(
    counted(usage['cache_read_input_tokens']),
    counted(usage['cache_creation_input_tokens']),
  );
  const prompt = counted(usage['prompt_tokens']);
  const inputTokens = prompt ?? sum(counted(usage['input_tokens']), beside);
  return {
    inputTokens,
    outputTokens: allOutput(
      counted(usage['completion_tokens'], usage['output_tokens']),
      inputTokens,
      usage['total_tokens'],
    ),
    cachedInputTokens,
    cacheWriteTokens,
    reasoningTokens: counted(
      ofAnswer['reasoning_tokens'],
      ofAnswer['thinking_tokens'],
      usage['reasoning_tokens'],
    ),
  };
}

function usageOfGemini(usage: Fields): Counts {
  const reasoningTokens = counted(usage['thoughtsTokenCount']);
  const inputTokens = sum(counted(usage['promptTokenCount']), counted(usage['toolUsePromptTokenCount']));
  const outputTokens = sum(counted(usage['candidatesTokenCount']), reasoningTokens);
  return {
    inputTokens,
    outputTokens: allOutput(outputTokens, inputTokens, usage['totalTokenCount']),
    cachedInputTokens: counted(usage['cachedContentTokenCount']),
    cacheWriteTokens: undefined,
    reasoningTokens,
  };
}

/** Some count reasoning beside the tokens of the answer, some within; what the prompt leaves of the total is both. */
function allOutput(
  output: number | undefined,
  input: number | undefined,
  total: unknown,
): number | undefined {
  const rest = (counted(total) ?? 0) - (input ?? 0);
  return input === undefined || rest <= (output ?? 0) ? output : rest;
}

/** The first of these fields that is a number of tokens. */
function counted(...fields: readonly unknown[]): number | undefined {
  return fields.find((field): field is number => typeof field === 'number' && field >= 0 && field < Infinity);
}

function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined ? other : one + (other ?? 0);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : nothing;
}
