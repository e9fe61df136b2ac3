import { CallPriority } from '../../lib/index';
import { readCsv } from '../../demos/news-desk/csv';
import { timeOf } from '../../demos/news-desk/event-time';
import { readFeed } from '../../demos/news-desk/feed';
import { readJsonLines } from '../../demos/news-desk/json-lines';
import { eventOf, priorityOfClass, type InputItem, type NewsEvent } from '../../demos/news-desk/news-event';
import { all, chunksOf, headlines, problems } from './input-items';

describe('lines of JSON', () => {
  it('are read with a byte order mark, with carriage returns and without a last newline', async () => {
    const items = await all(
      readJsonLines(chunksOf('\ufeff{"headline":"one"}\r\n\r\n{"head', 'line":"two"}\n{"title":"three"}')),
    );
    expect(headlines(items)).toEqual(['one', 'two', 'three']);
    expect(problems(items)).toEqual([]);
  });

  it('are divided at newline bytes only, and characters may be divided between chunks', async () => {
    const bytes = Buffer.from('{"headline":"a\u2028b é"}\n');
    const items = await all(readJsonLines(chunksOf(bytes.subarray(0, 20), bytes.subarray(20))));
    expect(headlines(items)).toEqual(['a\u2028b é']);
    expect(items).toEqual([expect.objectContaining({ bytes: bytes.length })]);
  });

  it('are skipped where they are broken, with their numbers', async () => {
    const invalid = Buffer.from([0x22, 0xff, 0x22, 0x0a]);
    const items = await all(
      readJsonLines(
        chunksOf('{"headline":"one"}\n\nnope\n[1]\n{"body":"x"}\n', invalid, '{"headline":"two"}'),
      ),
    );
    expect(headlines(items)).toEqual(['one', 'two']);
    expect(problems(items)).toEqual([
      'line 3 is not JSON',
      'line 4 is not an object',
      'line 5 has no headline',
      'line 6 is not UTF-8',
    ]);
  });

  it('are skipped where they are too long to be kept in memory', async () => {
    const chunk = Buffer.alloc(1_024 * 1_024, 0x20);
    const items = await all(
      readJsonLines(chunksOf(...Array.from({ length: 9 }, () => chunk), '\n{"headline":"next"}')),
    );
    expect(headlines(items)).toEqual(['next']);
    expect(problems(items)).toEqual(['line 1 is longer than 8388608 bytes']);
  });
});

describe('CSV', () => {
  it('is read with quoted fields of many lines, a byte order mark and headers in any case', async () => {
    const items = await all(
      readCsv(
        chunksOf(
          '\ufeffDate,Title,Text\r\n20030219,"One, ""so"" to',
          ' say","first\nsecond"\r\n2019-01-04,Two,\r\n',
        ),
      ),
    );
    expect(items).toEqual([
      expect.objectContaining({
        event: {
          id: 'line 2',
          time: Date.parse('2003-02-19'),
          storyClass: 'market-colour',
          headline: 'One, "so" to say',
          body: 'first\nsecond',
        },
      }),
      expect.objectContaining({ event: expect.objectContaining({ headline: 'Two', body: '' }) as NewsEvent }),
    ]);
  });

  it('is read on after a broken record, with the number of its line', async () => {
    const items = await all(readCsv(chunksOf('title,text\n"a\nb",x\n,nothing\nc "d" e,y\nf,"never\nclosed')));
    expect(headlines(items)).toEqual(['a\nb', 'c "d" e']);
    expect(problems(items)).toEqual(['line 4 has no headline', 'line 6 opens a quote that is never closed']);
  });

  it.each([
    ['headline,body\r\nstory 0,a\nstory 1,b\nstory 2,c\n', ['story 0', 'story 1', 'story 2']],
    ['headline,body\nstory 0,a\r\nstory 1,"b\r\nb"\rstory 2,c', ['story 0', 'story 1', 'story 2']],
    ['id;headline;body\n1;story 0, and more;a\n', ['story 0, and more']],
    ['sep=;\r\nheadline;body\r\nstory 0, and more;a\r\n', ['story 0, and more']],
    ['"id"|"headline"\n1|story 0, and more\n', ['story 0, and more']],
    ['title,title\nstory 0,\n,story 1\nstory 2,again\n', ['story 0', 'story 1', 'story 2']],
    ['', []],
    ['\n\n', []],
  ])('is read in the form that it has: %j', async (text, expected) => {
    expect(headlines(await all(readCsv(chunksOf(text))))).toEqual(expected);
    const bytes = Array.from(Buffer.from(text), (byte) => Uint8Array.of(byte));
    expect(headlines(await all(readCsv(chunksOf(...bytes))))).toEqual(expected);
  });

  it.each(['y'.repeat(1_100_000), `"${'y\n'.repeat(550_000)}"`])(
    'is read on after a record that is too long',
    async (body) => {
      const text = `headline,body\nsmall,a\nhuge,${body}\nstory 0,a\nstory 1,b\n`;
      const items = await all(readCsv(chunksOf(text)));
      expect(headlines(items)).toEqual(['small', 'story 0', 'story 1']);
      expect(problems(items)).toEqual(['line 3 holds a record of more than 1048576 bytes']);
    },
  );

  it('names the line of a record after empty lines, and after line ends between quotes', async () => {
    const items = await all(readCsv(chunksOf('title,text\r\na,"1\r\n2\r\n3"\r\n\r\n,x\r\n')));
    expect(problems(items)).toEqual(['line 6 has no headline']);
  });

  it('tells of what it cannot read instead of hiding it', async () => {
    const bytes = Buffer.from('title,text\nMünchner,a\nstory, with a comma,b\nfine,c,,\n', 'latin1');
    const items = await all(readCsv(chunksOf(bytes)));
    expect(headlines(items)).toEqual(['fine']);
    expect(problems(items)).toEqual(['line 2 is not UTF-8', 'line 3 has more fields than the header']);
  });

  it('is refused if its header names no headline', async () => {
    await expect(all(readCsv(chunksOf('NRDX soars,2023\n')))).rejects.toThrow(
      'is CSV whose header names no headline (or title), but: nrdx soars, 2023',
    );
  });

  it('passes on an error of its source', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* chunksOf('title\none\n');
      throw new Error('disk');
    }
    await expect(all(readCsv(failing()))).rejects.toThrow('disk');
  });
});

describe('feeds', () => {
  it('are read as RSS, without markup', () => {
    const items = readFeed(
      '<rss version="2.0"><channel><title>Wire</title>' +
        '<item><title>Profit &amp; loss</title><description><![CDATA[<p>Up <b>5&#37;</b></p>]]></description>' +
        '<guid>g1</guid><pubDate>Mon, 16 Mar 2026 13:30:22 GMT</pubDate></item>' +
        '<item><description>no title</description></item><item><guid>3</guid></item></channel></rss>',
    );
    expect(items).toEqual([
      {
        kind: 'event',
        event: {
          id: 'g1',
          time: Date.parse('2026-03-16T13:30:22Z'),
          outlet: 'Wire',
          storyClass: 'market-colour',
          headline: 'Profit & loss',
          body: 'Up 5%',
        },
      },
      {
        kind: 'event',
        event: expect.objectContaining({ id: 'entry 2', headline: 'no title', body: '' }) as NewsEvent,
      },
      { kind: 'broken', place: 'entry 3', problem: 'has no headline' },
    ]);
  });

  const item = (content: string): InputItem | undefined =>
    readFeed(
      '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" ' +
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Wire &amp;amp; more</title>' +
        `<item>${content}</item></channel></rss>`,
    )[0];
  const whole = '<content:encoded><![CDATA[<p>The whole story.</p>]]></content:encoded>';

  it.each([
    [`<title>x</title>${whole}`, { headline: 'x', body: 'The whole story.', outlet: 'Wire & more' }],
    [`<title>x</title><description>short</description>${whole}`, { body: 'short' }],
    ['<title>x</title><dc:date>2023-12-04T10:25:00Z</dc:date>', { time: 1_701_685_500_000 }],
    ['<title>x</title><pubDate>Mon, 03 Jul 2023 10:25:00 CEST</pubDate>', { time: 1_688_372_700_000 }],
    ['<title><![CDATA[It&rsquo;s Caf&eacute; &mdash; up]]></title>', { headline: 'It’s Café — up' }],
    ['<title>It&rsquo;s R&amp;D</title>', { headline: 'It’s R&D' }],
  ])('are read in the forms of RSS: %s', (content, event) => {
    expect(item(content)).toMatchObject({ event });
  });

  it('give an entry without a title the beginning of its text', () => {
    const text = `${'x'.repeat(199)}🚀 jumps`;
    expect(item(`<description>${text}</description>`)).toMatchObject({
      event: { headline: 'x'.repeat(199), body: text },
    });
  });

  it('are read as Atom with titles of each type', () => {
    const titles = [
      '<title type="text">Use &lt;b&gt; now</title>',
      '<title>Use &lt;b&gt; now</title>',
      '<title type="html">Use &lt;b&gt;it&lt;/b&gt; now</title>',
      '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Use <b>it</b> now</div></title>',
    ];
    const entries = titles.map((title) => `<entry>${title}</entry>`).join('');
    const items = readFeed(`<feed xmlns="http://www.w3.org/2005/Atom"><title>W</title>${entries}</feed>`);
    expect(headlines(items)).toEqual(['Use <b> now', 'Use <b> now', 'Use it now', 'Use it now']);
  });

  it('are read as JSON feeds, whose texts are plain', () => {
    const items = readFeed(
      JSON.stringify({
        version: 'https://jsonfeed.org/version/1.1',
        title: 'W',
        items: [{ id: '1', title: 'Use <b> now', content_html: '<p>By 5&nbsp;%</p>' }],
      }),
    );
    expect(items).toMatchObject([{ event: { headline: 'Use <b> now', body: 'By 5 %' } }]);
  });

  it('are read as Atom', () => {
    const [item] = readFeed(
      '<feed xmlns="http://www.w3.org/2005/Atom"><title>Wire</title><entry><id>a1</id>' +
        '<title type="text">Rates rise</title><updated>2026-03-16T13:30:22Z</updated>' +
        '<content type="html">&lt;p&gt;By 75 points&lt;/p&gt;</content></entry></feed>',
    );
    expect(item).toMatchObject({ event: { id: 'a1', headline: 'Rates rise', body: 'By 75 points' } });
  });

  it('are refused if they are none', () => {
    expect(() => readFeed('plain text')).toThrow('is neither an RSS nor an Atom feed');
  });
});

describe('events', () => {
  it('take their class and its priority from the input', () => {
    const classOf = (text: unknown): unknown => {
      const event = eventOf({ headline: 'x', class: text }, 'line 1');
      return 'problem' in event ? event : priorityOfClass[event.storyClass];
    };
    expect(classOf('alert')).toBe(CallPriority.CRITICAL);
    expect(classOf('Earnings')).toBe(CallPriority.HIGH);
    expect(classOf('company')).toBe(CallPriority.MEDIUM);
    expect(classOf(undefined)).toBe(CallPriority.LOW);
    expect(classOf('toString')).toBe(CallPriority.LOW);
  });

  it('take times as dates, days and seconds', () => {
    const timeOf = (time: unknown): unknown => eventOf({ headline: 'x', time }, 'line 1');
    expect(timeOf('20030219')).toMatchObject({ time: Date.parse('2003-02-19') });
    expect(timeOf(1_700_000_000)).toMatchObject({ time: 1_700_000_000_000 });
    expect(timeOf(1_700_000_000_000)).toMatchObject({ time: 1_700_000_000_000 });
    expect(timeOf('soon')).not.toHaveProperty('time');
  });

  it('keep well-formed what endpoints refuse otherwise', () => {
    const event = eventOf({ headline: 'a\ud83d b', body: '\ude80 🚀' }, 'line 1');
    expect(event).toMatchObject({ headline: 'a\ufffd b', body: '\ufffd 🚀' });
  });

  it('take names of fields in any case', () => {
    const record = { Title: 'x', publishedAt: '2023-12-04T10:25:00Z', Text: 'y' };
    expect(eventOf(record, 'line 1')).toMatchObject({ headline: 'x', body: 'y', time: 1_701_685_500_000 });
  });
});

describe('times', () => {
  it.each([
    ['Mon, 03 Jul 2023 10:25:00 CEST', '2023-07-03T08:25:00Z'],
    ['Mon, 03 Jul 23 10:25:00 GMT', '2023-07-03T10:25:00Z'],
    ['2023-07-03T10:25:00 CET', '2023-07-03T09:25:00Z'],
    ['2023-07-03T10:25:00 +02:00', '2023-07-03T08:25:00Z'],
    ['2023-07-03T10:25:00+0200', '2023-07-03T08:25:00Z'],
    ['Dec 4, 2023 10:25 PM EST', '2023-12-05T03:25:00Z'],
    ['04.12.2023 10:25 CET', '2023-12-04T09:25:00Z'],
    ['25/12/2023 10:25 GMT', '2023-12-25T10:25:00Z'],
    ['12/25/2023 10:25 GMT', '2023-12-25T10:25:00Z'],
    ['1700000000', '2023-11-14T22:13:20Z'],
    ['1700000000000000', '2023-11-14T22:13:20Z'],
    ['1700000000000000000', '2023-11-14T22:13:20Z'],
  ])('are read: %s', (text, expected) => {
    expect(timeOf(text)).toBe(Date.parse(expected));
  });

  it.each([
    ...['04/12/2023', '04-12-2023 10:25', '32.01.2023', 'Mon, 03 Jul 2023 10:25:00 IST', 'May 5', 'NRDX 5'],
    ...['', '99999999999999999999999999'],
  ])('are none if they mean two or nothing: %s', (text) => {
    expect(timeOf(text)).toBeUndefined();
  });
});
