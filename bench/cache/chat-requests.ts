import { seededRandom } from '../../demos/model-server/random';

const words =
  'the of and to in a is that for on with as was at by from shares prices rates bank market quarter profit outlook demand supply orders costs margin guidance analysts investors company reported raised lowered expected said after before against higher lower than year month week billion million per cent'.split(
    ' ',
  );

/** A chat request as a service sends it. */
export interface ChatRequest {
  readonly model: string;
  readonly temperature: number;
  readonly max_tokens: number;
  readonly messages: readonly { readonly role: 'system' | 'user' | 'assistant'; readonly content: string }[];
}

/** Different chat requests of about so many bytes of JSON each, in so many messages. */
export function chatRequests(count: number, bytes: number, messages: number): ChatRequest[] {
  const random = seededRandom(bytes);
  const most = (bytes - 100) / messages - 35;
  return Array.from({ length: count }, (_, number) => ({
    model: 'gpt-4o-mini',
    temperature: 0.2,
    max_tokens: 400,
    messages: Array.from({ length: messages }, (_value, index) => ({
      role: index === 0 ? ('system' as const) : index % 2 === 1 ? ('user' as const) : ('assistant' as const),
      content: prose(random, most, `Story ${number}, part ${index}:`),
    })),
  }));
}

function prose(random: () => number, length: number, start: string): string {
  let text = start;
  while (text.length < length) text += ` ${words[Math.floor(random() * words.length)]!}`;
  // As it comes off a wire: in one piece, not as a chain of the pieces that it was put together from.
  return Buffer.from(text.slice(0, Math.round(length)), 'latin1').toString('latin1');
}
