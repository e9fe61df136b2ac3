import { openStream, type StreamFacts } from '../../demos/news-desk/input';
import { all, chunksOf, headlines, problems } from './input-items';

describe('an input', () => {
  const open = async (content: string | Uint8Array, facts: Partial<StreamFacts> = {}) => {
    const { items, ...rest } = await openStream(chunksOf(content), { name: 'It', ...facts });
    return { ...rest, items: await all(items) };
  };
  const rss = (title: string, declaration = ''): string =>
    `${declaration}<rss version="2.0"><channel><title>t</title><item><title>${title}</title></item></channel></rss>`;
  const declared = (charset: string): string => `<?xml version="1.0" encoding="${charset}"?>`;

  it.each([
    ['a declaration', Buffer.from(rss('Münchner Rück', declared('ISO-8859-1')), 'latin1'), {}],
    ['a header', Buffer.from(rss('Münchner Rück'), 'latin1'), { charset: 'windows-1252', isFeed: true }],
    ['a byte order mark', Buffer.from(`\ufeff${rss('Münchner Rück', declared('UTF-16'))}`, 'utf16le'), {}],
    ['its zero bytes', Buffer.from(rss('Münchner Rück'), 'utf16le').swap16(), {}],
    ['none, in UTF-8', Buffer.from(rss('Münchner Rück', declared('utf-16'))), {}],
    ['a byte order mark, in lines', Buffer.from('\ufeff{"title":"Münchner Rück"}\n', 'utf16le'), {}],
    [
      'a byte order mark, in a table',
      Buffer.from('\ufefftitle\nMünchner Rück', 'utf16le'),
      { delimiter: ',' },
    ],
  ])('has the charset of %s', async (_, content, facts) => {
    expect(headlines((await open(content, facts)).items)).toEqual(['Münchner Rück']);
  });

  it('has the characters of Windows-1252, which calls itself Latin-1', async () => {
    const content = Buffer.from(rss('It\x92s 5\x80', declared('ISO-8859-1')), 'latin1');
    expect(headlines((await open(content)).items)).toEqual(['It’s 5€']);
  });

  it('loses no character without a word', async () => {
    const content = Buffer.from(rss('Rück</title></item><item><title>fine'), 'latin1');
    const { items, count } = await open(content);
    expect([headlines(items), problems(items), count]).toEqual([
      ['fine'],
      ['entry 1 holds bytes that are not utf-8'],
      1,
    ]);
  });

  it('may be a JSON array, whose ids of 64 bits keep their digits', async () => {
    const { items, count } = await open(
      '[{"id":12345678901234567890,"title":"x"},\n {"id": 9007199254740993 , "title":"\\"id\\":1234567890123456789"}, 3]',
    );
    expect(items).toMatchObject([
      { event: { id: '12345678901234567890' } },
      { event: { id: '9007199254740993', headline: '"id":1234567890123456789' } },
      { place: 'element 3', problem: 'is not an object' },
    ]);
    expect(count).toBe(2);
  });

  it('knows its size only if bytes of events add up to it', async () => {
    expect(await open('{"title":"x"}', { size: 13 })).toMatchObject({ size: 13 });
    expect(await open(Buffer.from('\ufeff{"title":"x"}', 'utf16le'), { size: 28 })).not.toHaveProperty(
      'size',
    );
  });

  it.each([
    ['[{"id":1},', 'It begins as a JSON array does, but is none'],
    ['<!doctype html><html></html>', 'It is neither an RSS nor an Atom feed'],
    [rss('x', declared('klingon')), 'It is in the charset klingon, which is not known here'],
    [Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0), 'It is an archive or a workbook; unpack it, or save it as CSV'],
    [Uint8Array.of(0x41, 0x42, 8, 0, 0, 0), 'It is not text'],
    [
      'title,body\n'.repeat(30),
      'It holds no events: line 1 is not JSON, and 19 more are broken; it was read as lines of JSON',
    ],
    [
      '{\n"title": "x"\n}\n',
      'It holds no events: line 1 is not JSON, and 2 more are broken; it was read as lines of JSON',
    ],
  ])('of another kind is refused in one sentence (%#)', async (content, message) => {
    await expect(open(content)).rejects.toThrow(message);
  });

  it('is read if lines before the first event are broken, but not too many', async () => {
    const { items } = await open(`${'nope\n'.repeat(19)}{"title":"x"}\n`);
    expect([headlines(items), problems(items)]).toEqual([['x'], expect.any(Array)]);
    expect(problems(items)).toHaveLength(19);
  });

  it('may be empty', async () => {
    expect((await open('')).items).toEqual([]);
    expect((await open('\n \n')).items).toEqual([]);
  });
});
