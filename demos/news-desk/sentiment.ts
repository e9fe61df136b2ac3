import type { OpenAI } from 'openai';
import { leadOf } from './wording';
import type { NewsEvent } from './news-event';

/** What the model thinks of a story. */
export interface Sentiment {
  readonly label: 'positive' | 'negative' | 'neutral';
  /** From -1 (all bad) to 1 (all good). */
  readonly score: number;
  /** One sentence. */
  readonly reason: string;
}

/** The model answered something else than what was asked for. */
export class MalformedAnswerError extends Error {
  override readonly name = 'MalformedAnswerError';
}

/** Tokens that an answer may have. */
export const longestAnswer = 160;

/** The lead tells the tone of a story; more of it would only cost more. */
const longestBody = 2_000;

const instructions =
  'You judge market news for a trading desk. Answer with one JSON object and nothing else: ' +
  '{"label": "positive" | "negative" | "neutral", "score": number from -1 to 1, "reason": one short sentence}. ' +
  'Judge what the story means for those who hold the share.';

/** The story as the model reads it. */
export function storyText({ headline, body }: Pick<NewsEvent, 'headline' | 'body'>): string {
  return body === '' ? headline : `${headline}\n\n${leadOf(body, longestBody)}`;
}

/** The request about a story in OpenAI's form. */
export function completionParameters(
  model: string,
  text: string,
): Omit<OpenAI.Chat.Completions.ChatCompletionCreateParamsNonStreaming, 'stream'> {
  return {
    model,
    messages: [
      { role: 'system', content: instructions },
      { role: 'user', content: text },
    ],
    max_completion_tokens: longestAnswer,
    response_format: { type: 'json_object' },
  };
}

/** Tokens that a call about a story may use at most: a quarter of the characters, and the whole answer. */
export function expectedTokens(text: string): number {
  return Math.ceil((instructions.length + text.length) / 4) + longestAnswer;
}

/**
 * Reads the sentiment off the model's answer.
 * @throws MalformedAnswerError saying what is wrong with it
 */
export function readSentiment(completion: OpenAI.Chat.Completions.ChatCompletion): Sentiment {
  const [choice] = completion.choices;
  if (choice?.finish_reason === 'length') throw new MalformedAnswerError('The answer was cut off.');
  const content = choice?.message.content ?? '';
  if (content.trim() === '') throw new MalformedAnswerError('The answer is empty.');
  // Many models put their JSON into a block of Markdown, whatever they were told.
  const json = content.replace(/^\s*```(?:json)?\s*|\s*```\s*$/g, '');
  let answer: unknown;
  try {
    answer = JSON.parse(json);
  } catch {
    throw new MalformedAnswerError('The answer is not JSON.');
  }
  if (typeof answer !== 'object' || answer === null) {
    throw new MalformedAnswerError('The answer is not a JSON object.');
  }
  const { label, score, reason } = answer as Record<string, unknown>;
  if (label !== 'positive' && label !== 'negative' && label !== 'neutral') {
    throw new MalformedAnswerError('The answer has no label of the three asked for.');
  }
  if (typeof score !== 'number' || !(Math.abs(score) <= 1)) {
    throw new MalformedAnswerError('The answer has no score from -1 to 1.');
  }
  if (typeof reason !== 'string' || reason.trim() === '') {
    throw new MalformedAnswerError('The answer has no reason.');
  }
  return { label, score, reason };
}
