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

  it('forgets the oldest when there are too many; one that left again counts as new', () => {
    const departures = new Departures(2);
    departures.note('a', 'size', 1);
    departures.note('b', 'size', 2);
    departures.note('a', 'size', 3);
    departures.note('c', 'size', 4);
    expect(['a', 'b', 'c'].map((key) => departures.get(key)?.at)).toEqual([3, undefined, 4]);
  });

  it('forgets a key that is kept again, and makes room by that', () => {
    const departures = new Departures(2);
    departures.note('a', 'size', 1);
    departures.note('b', 'size', 2);
    departures.forget('b');
    departures.forget('never there');
    departures.note('c', 'size', 3);
    expect(['a', 'b', 'c'].map((key) => departures.get(key)?.at)).toEqual([1, undefined, 3]);
  });

  it('takes any key', () => {
    const departures = new Departures(2);
    expect(departures.get('__proto__')).toBeUndefined();
    departures.note('__proto__', 'bytes', 1);
    expect(departures.get('__proto__')).toEqual({ reason: 'bytes', at: 1 });
  });

  it('holds no more than its limit of a million', () => {
    const departures = new Departures(100);
    for (let number = 0; number < 1_000_000; number++) {
      departures.note(`k${number}`, 'size', number);
    }
    expect(departures.get('k999899')).toBeUndefined();
    expect(departures.get('k999900')).toEqual({ reason: 'size', at: 999_900 });
  });
});
