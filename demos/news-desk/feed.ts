import { decodeHTMLStrict } from 'entities';
import { parseFeed } from 'feedsmith';
import { eventOf, InputFormError, type InputItem } from './news-event';
import { leadOf } from './wording';

type Entry = Readonly<Record<string, unknown>>;

/** Where the kinds of feed keep a field; the first that holds something counts. */
const paths = {
  id: ['guid', 'id', 'link', 'url'],
  time: [
    ...['pubDate', 'published', 'updated', 'date_published', 'date_modified'],
    ...['dc.dates', 'dcterms.created', 'dcterms.issued', 'atom.published', 'atom.updated'],
  ],
  headline: ['title'],
  body: [
    ...['description', 'summary', 'content.encoded', 'content', 'content_text', 'content_html'],
    ...['media.description', 'media.group.description', 'dc.descriptions'],
  ],
} as const;

/** The headline of an entry that has a text alone is cut off here. */
const longestHeadline = 200;

/**
 * Reads one event from each entry of an RSS, Atom, RDF or JSON feed.
 * @throws InputFormError if the text is none
 */
export function readFeed(text: string): InputItem[] {
  let parsed: { readonly format: string; readonly feed: unknown };
  try {
    parsed = parseFeed(text);
  } catch {
    throw new InputFormError('is neither an RSS nor an Atom feed');
  }
  // Strings are HTML in RSS, as RDF and RSS have no other way to say so, and plain in JSON feeds.
  const isHtml = parsed.format !== 'json';
  const feed = parsed.feed as Entry;
  const outlet = textAt(feed, 'title', isHtml);
  const entries = (feed['items'] ?? feed['entries'] ?? []) as readonly Entry[];
  return entries.map((entry, index) => {
    const place = `entry ${index + 1}`;
    const first = (field: keyof typeof paths): string =>
      paths[field].map((path) => textAt(entry, path, isHtml)).find((found) => found !== '') ?? '';
    const title = first('headline');
    const body = first('body');
    // RSS allows an entry without a title, and short messages have none.
    const headline = title || leadOf(body, longestHeadline);
    const record = {
      id: first('id'),
      time: first('time'),
      outlet,
      headline,
      body: body === headline ? '' : body,
    };
    const event = eventOf(record, place);
    return 'problem' in event ? { kind: 'broken', place, ...event } : { kind: 'event', event };
  });
}

/** The text at a path such as `dc.dates`. */
function textAt(entry: Entry, path: string, isHtml: boolean): string {
  let value: unknown = entry;
  for (const name of path.split('.')) value = isObject(value) ? value[name] : undefined;
  if (Array.isArray(value)) value = value[0] as unknown;
  if (typeof value === 'string')
    return isHtml || path === 'content_html' ? plainText(value) : oneSpaced(value);
  // Atom wraps its texts together with their type, which is plain text if it is left out.
  if (!isObject(value) || typeof value['value'] !== 'string') return '';
  return /html/i.test(String(value['type'])) ? plainText(value['value']) : oneSpaced(value['value']);
}

const isObject = (value: unknown): value is Entry => typeof value === 'object' && value !== null;

const oneSpaced = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** A model reads prose better, and it costs fewer tokens, without the markup that feeds put into their texts. */
function plainText(html: string): string {
  const prose = html.replace(/<(script|style)\b.*?<\/\1>/gis, ' ').replace(/<\/?[a-z!][^>]*>/gi, ' ');
  return oneSpaced(decodeHTMLStrict(prose));
}
