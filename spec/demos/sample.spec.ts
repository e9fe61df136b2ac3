import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sentimentOf } from '../../demos/model-server/sentiment';

interface NewsEvent {
  readonly id: string;
  readonly time: string;
  readonly outlet: string;
  readonly class: string;
  readonly symbol: string;
  readonly headline: string;
  readonly body: string;
}

const file = join(__dirname, '../../demos/news-desk/sample/events.jsonl');
const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
const events = lines.map((line) => JSON.parse(line) as NewsEvent);

const stories = new Map<string, NewsEvent[]>();
for (const event of events) stories.set(event.headline, [...(stories.get(event.headline) ?? []), event]);

describe('the sample of a news wire', () => {
  it('holds enough events about enough stories', () => {
    expect(events.length).toBeGreaterThanOrEqual(252);
    expect(stories.size).toBeGreaterThanOrEqual(84);
  });

  it('has events of one shape', () => {
    for (const event of events) {
      expect(Object.keys(event)).toEqual(['id', 'time', 'outlet', 'class', 'symbol', 'headline', 'body']);
      expect(Object.values(event).every((value) => typeof value === 'string' && value !== '')).toBe(true);
      expect(event.time).toBe(new Date(event.time).toISOString());
      expect(event.symbol).toMatch(/^[A-Z]{2,5}$/);
    }
  });

  it('numbers its events in the order of time, over about twenty minutes', () => {
    const times = events.map(({ time }) => Date.parse(time));
    expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
    expect(events.map(({ id }) => id)).toEqual(
      events.map((_, index) => `evt-${String(index + 1).padStart(4, '0')}`),
    );
    const minutes = (times.at(-1)! - times[0]!) / 60_000;
    expect(minutes).toBeGreaterThan(17);
    expect(minutes).toBeLessThan(21);
  });

  it('has four classes, alerts being the fewest stories', () => {
    const counts = new Map<string, number>();
    for (const [first] of stories.values()) counts.set(first!.class, (counts.get(first!.class) ?? 0) + 1);
    expect([...counts.keys()].sort()).toEqual(['alert', 'company', 'earnings', 'market-colour']);
    expect(Math.min(...counts.values())).toBe(counts.get('alert'));
  });

  it('repeats a story byte for byte, at most once for each outlet, within minutes', () => {
    for (const copies of stories.values()) {
      for (const field of ['class', 'symbol', 'headline', 'body'] as const) {
        expect(new Set(copies.map((copy) => copy[field])).size).toBe(1);
      }
      expect(new Set(copies.map(({ outlet }) => outlet)).size).toBe(copies.length);
      expect(Date.parse(copies.at(-1)!.time) - Date.parse(copies[0]!.time)).toBeLessThan(8 * 60_000);
    }
    const sizes = [...stories.values()].map((copies) => copies.length);
    expect(Math.min(...sizes)).toBe(1);
    expect(Math.max(...sizes)).toBe(6);
  });

  it('has no two stories with the same body', () => {
    expect(new Set(events.map(({ body }) => body)).size).toBe(stories.size);
  });

  it('mixes good, bad and plain news', () => {
    const counts = { positive: 0, negative: 0, neutral: 0 };
    for (const [first] of stories.values())
      counts[sentimentOf(`${first!.headline}\n${first!.body}`).label] += 1;
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(stories.size / 6);
  });
});
