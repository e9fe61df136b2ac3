import { CallPriority } from '../../lib/index';

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

/** The names under which inputs carry a field; the first that holds something counts. */
const fieldNames = {
  id: ['id', 'guid', 'url'],
  time: ['time', 'date', 'publish_date', 'published', 'timestamp'],
  outlet: ['outlet', 'source', 'publisher'],
  storyClass: ['class', 'category'],
  symbol: ['symbol', 'ticker'],
  headline: ['headline', 'title', 'headline_text'],
  body: ['body', 'text', 'summary', 'description', 'content'],
} as const;

const fallbackClass: StoryClass = 'market-colour';

/** An event made of a record with fields of the usual names, or what is wrong with the record. */
export function eventOf(record: unknown, place: string): NewsEvent | { readonly problem: string } {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    return { problem: 'is not an object' };
  }
  const textOf = (field: keyof typeof fieldNames): string => {
    for (const name of fieldNames[field]) {
      const value = (record as Record<string, unknown>)[name];
      if (typeof value === 'number' && Number.isFinite(value)) return String(value);
      if (typeof value === 'string' && value.trim() !== '') return value.trim();
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

/** Reads ISO and RFC dates, days such as `20030219`, and seconds or milliseconds since 1970. */
function timeOf(text: string): number | undefined {
  const day = /^(\d{4})(\d{2})(\d{2})$/.exec(text);
  let time: number;
  if (day !== null) time = Date.parse(`${day[1]!}-${day[2]!}-${day[3]!}`);
  else if (/^\d{9,14}(\.\d+)?$/.test(text)) time = Number(text) * (Number(text) < 1e11 ? 1_000 : 1);
  else time = Date.parse(text);
  return Number.isFinite(time) ? time : undefined;
}
