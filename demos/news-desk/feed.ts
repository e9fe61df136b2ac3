import { parseFeed } from 'feedsmith';
import { eventOf, type InputItem } from './news-event';

/** Reads one event from each entry of an RSS, Atom, RDF or JSON feed. */
export function readFeed(text: string): InputItem[] {
  let parsed: ReturnType<typeof parseFeed>;
  try {
    parsed = parseFeed(text);
  } catch {
    throw new TypeError('is neither an RSS nor an Atom feed');
  }
  const { feed } = parsed as { feed: Record<string, unknown> };
  const outlet = textOf(feed['title']);
  const entries = feed['items'] ?? feed['entries'] ?? [];
  return (entries as Record<string, unknown>[]).map((entry, index) => {
    const place = `entry ${index + 1}`;
    const event = eventOf(
      {
        id: textOf(entry['guid'] ?? entry['id'] ?? entry['link']),
        time: firstText(entry, ['pubDate', 'published', 'updated', 'date', 'date_published']),
        outlet,
        headline: plainText(firstText(entry, ['title'])),
        body: plainText(
          firstText(entry, ['description', 'summary', 'content', 'content_text', 'content_html']),
        ),
      },
      place,
    );
    return 'problem' in event ? { kind: 'broken', place, ...event } : { kind: 'event', event };
  });
}

function firstText(entry: Record<string, unknown>, names: readonly string[]): string {
  return names.map((name) => textOf(entry[name])).find((text) => text !== '') ?? '';
}

/** Atom wraps its texts together with their type. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  const inner =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)['value'] : '';
  return typeof inner === 'string' ? inner : '';
}

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
};

/** A model reads prose better, and it costs fewer tokens, without the markup that feeds put into their texts. */
function plainText(html: string): string {
  return html
    .replace(/<(script|style)\b.*?<\/\1>/gis, ' ')
    .replace(/<\/?[a-z!][^>]*>/gi, ' ')
    .replace(
      /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));/gi,
      (entity, decimal?: string, hex?: string, name?: string) => {
        if (name !== undefined) return entities[name.toLowerCase()] ?? entity;
        const code = decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal);
        return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
      },
    )
    .replace(/\s+/g, ' ')
    .trim();
}
