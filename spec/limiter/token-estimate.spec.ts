import { TokenEstimate, type Sized } from '../../lib/limiter/token-estimate';

const announcing = (tokens: number | undefined): Sized => ({ tokens, textLength: 0 });
const reading = (textLength: number): Sized => ({ tokens: undefined, textLength });

describe('TokenEstimate', () => {
  it('believes what a request announces, and counts it whole before it knows the shares of prompt and answer', () => {
    const estimate = new TokenEstimate();
    expect(estimate.expected(announcing(500))).toEqual({ total: 500, input: 500, output: 500 });
    expect(estimate.possible(announcing(500))).toEqual({ total: 500, input: 500, output: 500 });
  });

  it('expects nothing before it has heard anything', () => {
    expect(new TokenEstimate().expected(announcing(undefined))).toEqual({ total: 0, input: 0, output: 0 });
  });

  it('takes the first usage as it is', () => {
    const estimate = new TokenEstimate();
    estimate.learn({ inputTokens: 300, outputTokens: 100 });
    expect(estimate.expected(announcing(undefined))).toEqual({ total: 400, input: 300, output: 100 });
  });

  it('splits what is announced as usage was split so far', () => {
    const estimate = new TokenEstimate();
    estimate.learn({ inputTokens: 300, outputTokens: 100 });
    const { total, input, output } = estimate.expected(announcing(1000));
    expect(total).toBe(1000);
    expect(input).toBeCloseTo(750);
    expect(output).toBeCloseTo(250);
  });

  it('expects the mean of what it heard, between the least and the most', () => {
    const estimate = new TokenEstimate();
    for (const inputTokens of [100, 300, 100, 300, 100, 300]) {
      estimate.learn({ inputTokens });
    }
    expect(estimate.expected(announcing(undefined)).total).toBeGreaterThan(150);
    expect(estimate.expected(announcing(undefined)).total).toBeLessThan(250);
  });

  it('follows when calls become dearer or cheaper', () => {
    const estimate = new TokenEstimate();
    const heard = (tokens: number, times: number) => {
      for (let index = 0; index < times; index++) {
        estimate.learn({ inputTokens: tokens });
      }
    };
    heard(100, 200);
    heard(1000, 200);
    expect(estimate.expected(announcing(undefined)).total).toBeCloseTo(1000, -1);
    heard(10, 200);
    expect(estimate.expected(announcing(undefined)).total).toBeCloseTo(10, -1);
  });

  it('holds as much for possible as the dearest of the last calls cost, and forgets it with them', () => {
    const estimate = new TokenEstimate();
    estimate.learn({ inputTokens: 5000 });
    for (let index = 0; index < 50; index++) {
      estimate.learn({ inputTokens: 100 });
    }
    expect(estimate.possible(announcing(undefined)).total).toBe(5000);
    expect(estimate.expected(announcing(undefined)).total).toBeLessThan(2000);
    for (let index = 0; index < 1000; index++) {
      estimate.learn({ inputTokens: 100 });
    }
    expect(estimate.possible(announcing(undefined)).total).toBeCloseTo(100);
  });

  it.each([
    {},
    { inputTokens: NaN },
    { inputTokens: -5, outputTokens: NaN },
    { inputTokens: Infinity },
    { inputTokens: 0, outputTokens: 0 },
    { model: 'large' },
  ])('learns nothing from %j', (usage) => {
    const estimate = new TokenEstimate();
    estimate.learn({ inputTokens: 60, outputTokens: 40 });
    estimate.learn(usage);
    expect(estimate.expected(announcing(undefined))).toEqual({ total: 100, input: 60, output: 40 });
    expect(estimate.possible(announcing(undefined)).total).toBe(100);
  });

  it('keeps the half of a usage that can be counted with', () => {
    const estimate = new TokenEstimate();
    estimate.learn({ inputTokens: 80, outputTokens: NaN });
    expect(estimate.expected(announcing(undefined))).toEqual({ total: 80, input: 80, output: 0 });
  });

  it('never expects what no budget could hold', () => {
    const estimate = new TokenEstimate();
    estimate.learn({ inputTokens: Number.MAX_VALUE, outputTokens: Number.MAX_VALUE });
    const { total, input, output } = estimate.expected(announcing(undefined));
    expect(
      [total, input, output, estimate.possible(announcing(undefined)).total].every(Number.isFinite),
    ).toBe(true);
  });

  it('expects four characters to be a token before it has heard anything', () => {
    expect(new TokenEstimate().expected(reading(400)).total).toBe(100);
  });

  it('learns how many tokens a character is, and what every prompt holds besides', () => {
    const estimate = new TokenEstimate();
    for (let index = 0; index < 200; index++) {
      const text = (index % 10) * 100;
      estimate.learn({ inputTokens: 500 + text / 2, outputTokens: 100 }, text);
    }
    expect(estimate.expected(reading(0)).input).toBeCloseTo(500);
    expect(estimate.expected(reading(2000)).input).toBeCloseTo(1500);
    expect(estimate.expected(reading(2000)).output).toBeCloseTo(100);
    expect(estimate.possible(reading(2000)).total).toBeCloseTo(1600);
  });

  it('expects the mean if the length of a text tells nothing', () => {
    const estimate = new TokenEstimate();
    for (let index = 0; index < 200; index++) {
      estimate.learn({ inputTokens: index % 2 === 0 ? 900 : 1100 }, index % 4 < 2 ? 3 : 5);
    }
    const { total } = estimate.expected(reading(10));
    expect(total).toBeGreaterThan(900);
    expect(total).toBeLessThan(1100);
  });

  it('never expects less than nothing', () => {
    const estimate = new TokenEstimate();
    for (let index = 0; index < 50; index++) {
      estimate.learn({ inputTokens: index % 2 === 0 ? 1 : 1000 }, index % 2 === 0 ? 1000 : 2000);
    }
    expect(estimate.expected(reading(0)).total).toBe(0);
  });
});
