import type { InputItem } from '../../demos/news-desk/news-event';

/** A stream of these chunks. */
export async function* chunksOf(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  }
}

/** All items of a reader. */
export async function all(items: AsyncIterable<InputItem> | Iterable<InputItem>): Promise<InputItem[]> {
  const list: InputItem[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** The headlines of the events among them. */
export const headlines = (items: readonly InputItem[]): string[] =>
  items.flatMap((item) => (item.kind === 'event' ? item.event.headline : []));

/** What is wrong with the others, and where. */
export const problems = (items: readonly InputItem[]): string[] =>
  items.flatMap((item) => (item.kind === 'broken' ? `${item.place} ${item.problem}` : []));
