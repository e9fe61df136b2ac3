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
    const departures = new Departures(4);
    departures.note('a', 'size', 1);
    departures.note('b', 'size', 2);
    departures.note('c', 'size', 3);
    departures.note('a', 'expired', 4);
    departures.note('d', 'size', 5);
    departures.note('e', 'size', 6);
    const kept = ['a', 'b', 'c', 'd', 'e'].map((key) => departures.get(key)?.at);
    expect(kept).toEqual([4, undefined, 3, 5, 6]);
  });

  it('takes any key', () => {
    const departures = new Departures(1);
    expect(departures.get('__proto__')).toBeUndefined();
    departures.note('__proto__', 'bytes', 1);
    expect(departures.get('__proto__')).toEqual({ reason: 'bytes', at: 1 });
  });

  it('of many, holds as many as it should, the latest', () => {
    const most = 100;
    const departures = new Departures(most);
    for (let number = 0; number < 10_000; number++) {
      departures.note(`k${number}`, 'size', number);
      if (number >= most) {
        const oldest = number - most + 1;
        expect(departures.get(`k${oldest}`)).toEqual({ reason: 'size', at: oldest });
        expect(departures.get(`k${oldest - 1}`)).toBeUndefined();
      }
    }
  });

  it('remembers one of one', () => {
    const departures = new Departures(1);
    departures.note('a', 'size', 1);
    expect(departures.get('a')?.at).toBe(1);
    departures.note('b', 'size', 2);
    expect([departures.get('a'), departures.get('b')?.at]).toEqual([undefined, 2]);
  });
});
