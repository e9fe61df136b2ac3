import { Wall } from '../../lib/limiter/wall';

describe('Wall', () => {
  let wall: Wall;

  beforeEach(() => {
    wall = new Wall();
    wall.begin(0);
  });

  it('holds as long as the provider asks at first', () => {
    wall.hold(100, 0, 3000, undefined);
    expect(wall).toMatchObject({ since: 0, until: 3100, isStated: true });
  });

  it('holds for half a second where it does not ask', () => {
    wall.hold(100, 0, undefined, undefined);
    expect(wall).toMatchObject({ until: 600, isStated: false });
  });

  it('holds longer when a call started after the hold is refused', () => {
    wall.hold(100, 0, undefined, undefined);
    wall.hold(700, 600, undefined, undefined);
    expect(wall.until).toBe(700 + 750);
  });

  it('takes the hint as the least wait', () => {
    wall.hold(100, 0, 200, undefined);
    wall.hold(400, 300, 200, undefined);
    expect(wall).toMatchObject({ until: 400 + 750, isStated: false });
    wall.hold(1300, 1200, 5000, undefined);
    expect(wall).toMatchObject({ until: 1300 + 5000, isStated: true });
  });

  it('does not lengthen for a call that was on its way', () => {
    wall.hold(100, 0, undefined, undefined);
    wall.hold(150, 50, undefined, undefined);
    expect(wall.until).toBe(600);
    wall.hold(700, 600, undefined, undefined);
    expect(wall.until).toBe(700 + 750);
  });

  it('waits as long as the provider asks a call that was on its way', () => {
    wall.hold(100, 0, undefined, undefined);
    wall.hold(150, 50, 2000, undefined);
    expect(wall.until).toBe(2150);
  });

  it('holds for at most eight seconds in the first minute, and for a minute later', () => {
    let now = 0;
    const holds: { at: number; length: number }[] = [];
    while (now < 600_000) {
      wall.hold(now + 1, now + 1, undefined, undefined);
      holds.push({ at: now, length: wall.until - now - 1 });
      now = wall.until;
    }
    const early = holds.filter(({ at }) => at < 59_000).map(({ length }) => length);
    expect(Math.max(...early)).toBe(8000);
    expect(Math.max(...holds.map(({ length }) => length))).toBe(60_000);
  });

  it('probes a daily quota every five minutes', () => {
    wall.hold(100, 0, undefined, 'day');
    expect(wall.until).toBe(300_100);
    wall.hold(300_200, 300_150, undefined, 'day');
    expect(wall.until).toBe(600_200);
  });

  it('holds until a probe is decided', () => {
    wall.hold(100, 0, 3000, undefined);
    wall.probed(3300);
    expect(wall.until).toBe(3300);
  });

  it('ends when a call is let through', () => {
    wall.hold(100, 0, 3000, undefined);
    wall.end(2000);
    expect(wall).toMatchObject({ since: undefined, until: 2000, isStated: false });
  });

  it('asks for a hold once, whoever else was on the way', () => {
    wall.ask(100, 0, undefined);
    wall.ask(150, 50, undefined);
    expect(wall.until).toBe(600);
  });
});
