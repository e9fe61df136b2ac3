import { Departures } from '../../lib/cache/departures';

describe('Departures', () => {
  it('remembers why and when each key left last', () => {
    const departures = new Departures(10);
    departures.note('a', 'size', 1);
    departures.note('b', 'deleted', 2);
    departures.note('a', 'expired', 3);
    expect(departures.get('a')).toEqual({ reason: 'expired', at: 3 });
    expect(departures.get('b')).toEqual({ reason: 'deleted', at: 2 });
    expect(departures.get('c')).toBeUndefined();
  });

  it('forgets the older ones when there are too many; one that left again counts as new', () => {
    const departures = new Departures(2);
    departures.note('a', 'size', 1);
    departures.note('b', 'size', 2);
    departures.note('c', 'size', 3);
    departures.note('a', 'expired', 4);
    departures.note('d', 'size', 5);
    const kept = ['a', 'b', 'c', 'd'].map((key) => departures.get(key)?.at);
    expect(kept).toEqual([4, undefined, 3, 5]);
  });

  it('forgets a key that is kept again, however long ago it had left', () => {
    const departures = new Departures(2);
    departures.note('a', 'size', 1);
    departures.note('b', 'size', 2);
    departures.note('a', 'size', 3);
    departures.note('c', 'size', 4);
    departures.forget('a');
    departures.forget('c');
    departures.forget('never there');
    expect(['a', 'b', 'c'].map((key) => departures.get(key)?.at)).toEqual([undefined, 2, undefined]);
  });

  it('takes any key', () => {
    const departures = new Departures(2);
    expect(departures.get('__proto__')).toBeUndefined();
    departures.note('__proto__', 'bytes', 1);
    expect(departures.get('__proto__')).toEqual({ reason: 'bytes', at: 1 });
  });

  it('of many, holds as many as it should at least, and twice as many at most', () => {
    const least = 100;
    const departures = new Departures(least);
    for (let number = 0; number < 10_000; number++) {
      departures.note(`k${number}`, 'size', number);
      if (number >= 3 * least) {
        expect(departures.get(`k${number - least + 1}`)).toEqual({ reason: 'size', at: number - least + 1 });
        expect(departures.get(`k${number - 2 * least}`)).toBeUndefined();
      }
    }
  });
});
