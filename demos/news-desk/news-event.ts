import { toUSVString } from 'node:util';
import { CallPriority } from '../../lib/index';
import { timeOf } from './event-time';

/** The kinds of story on the wire, and how urgent an answer about each of them is. */
export const priorityOfClass = {
  alert: CallPriority.CRITICAL,
  earnings: CallPriority.HIGH,
  company: CallPriority.MEDIUM,
  'market-colour': CallPriority.LOW,
} as const satisfies Record<string, CallPriority>;

/** The kind of a story. */
export type StoryClass = keyof typeof priorityOfClass;

/** One story as one outlet carried it at one time. */
export interface NewsEvent {
  readonly id: string;
  /** When it arrived, in milliseconds since 1970, where the input says so. */
  readonly time?: number;
  readonly outlet?: string;
  readonly storyClass: StoryClass;
  readonly symbol?: string;
  readonly headline: string;
  /** May be empty. */
  readonly body: string;
}

/** What a reader makes of its input, piece by piece. */
export type InputItem =
  | {
      readonly kind: 'event';
      readonly event: NewsEvent;
      /** Bytes of the input read up to the end of this event, where they can be counted. */
      readonly bytes?: number;
    }
  | {
      readonly kind: 'broken';
      /** Where it begins: `line 12`, `entry 3`. */
      readonly place: string;
      /** What is wrong with it, as the rest of a sentence. */
      readonly problem: string;
    };

/** The input is of no form that is read; the message is the rest of a sentence. */
export class InputFormError extends Error {
  override readonly name = 'InputFormError';
}

/** The names under which inputs carry a field, in lower case; the first that holds something counts. */
const fieldNames = {
  id: ['id', 'guid', 'url'],
  time: [
    ...['time', 'date', 'publish_date', 'published', 'published_at', 'publishedat', 'pubdate'],
    ...['timestamp', 'datetime', 'created_at'],
  ],
  outlet: ['outlet', 'source', 'publisher'],
  storyClass: ['class', 'category'],
  symbol: ['symbol', 'ticker'],
  headline: ['headline', 'title', 'headline_text'],
  body: ['body', 'text', 'summary', 'description', 'content'],
} as const;

const fallbackClass: StoryClass = 'market-colour';

/** Whether a record with these field names, in any case, may hold a headline. */
export function namesHeadline(names: readonly string[]): boolean {
  return names.some((name) => (fieldNames.headline as readonly string[]).includes(name.toLowerCase()));
}

/**
 * An event made of a record with fields of the usual names in any case, or what is wrong with the record. Its texts are
 * well-formed, because endpoints refuse halves of characters.
 */
export function eventOf(record: unknown, place: string): NewsEvent | { readonly problem: string } {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    return { problem: 'is not an object' };
  }
  const values = new Map(
    Object.entries(record).map(([name, value]) => [name.toLowerCase(), value as unknown]),
  );
  const textOf = (field: keyof typeof fieldNames): string => {
    // A column that a table has twice holds a list.
    for (const value of fieldNames[field].flatMap((name) => values.get(name))) {
      if (typeof value === 'number' && Number.isFinite(value)) return String(value);
      if (typeof value === 'string' && value.trim() !== '') return toUSVString(value.trim());
    }
    return '';
  };
  const headline = textOf('headline');
  if (headline === '') return { problem: 'has no headline' };
  const time = timeOf(textOf('time'));
  const outlet = textOf('outlet');
  const symbol = textOf('symbol');
  return {
    id: textOf('id') || place,
    ...(time !== undefined && { time }),
    ...(outlet !== '' && { outlet }),
    storyClass: classOf(textOf('storyClass')),
    ...(symbol !== '' && { symbol }),
    headline,
    body: textOf('body'),
  };
}

function classOf(text: string): StoryClass {
  const name = text.toLowerCase();
  return Object.hasOwn(priorityOfClass, name) ? (name as StoryClass) : fallbackClass;
}
