import { sentimentOf } from '../../demos/model-server/sentiment';

describe('sentimentOf', () => {
  it.each([
    ['Profit warning: shares plunge 12 %', 'negative'],
    ['Trandell recalls 412,000 vans over brake fault', 'negative'],
    ['Regulator downgrades the bank; a default is near', 'negative'],
    ['Helmaris beats estimates and raises full-year guidance', 'positive'],
    ['Profit rose on strong demand', 'positive'],
    ['Broker upgrade sends the shares higher', 'positive'],
    ['The annual meeting is on 12 May', 'neutral'],
    ['', 'neutral'],
  ])('judges %j as %s', (text, label) => {
    expect(sentimentOf(text).label).toBe(label);
  });

  it('keeps the score between -1 and 1, with the sign of the label', () => {
    const bad = sentimentOf('fraud '.repeat(1_000));
    const good = sentimentOf('breakthrough '.repeat(1_000));
    expect(bad.score).toBeLessThan(-0.9);
    expect(bad.score).toBeGreaterThanOrEqual(-1);
    expect(good.score).toBeGreaterThan(0.9);
    expect(good.score).toBeLessThanOrEqual(1);
  });

  it('names the words that decided, the strongest first', () => {
    expect(sentimentOf('Profit warning: shares plunge 12 %').reason).toBe(
      'Decided by "profit warning" (-4), "plunge" (-3).',
    );
  });

  it('names what spoke against the judgement', () => {
    expect(sentimentOf('Shares plunge and sink; orders rose').reason).toMatch(
      /^Decided by "plunge".*in spite of "rose"/,
    );
  });

  it('turns a negated word', () => {
    expect(sentimentOf('The company expects a recall').score).toBeLessThan(0);
    expect(sentimentOf('The company does not expect a recall').score).toBeGreaterThan(0);
    expect(sentimentOf("Quarterly sales didn't improve").score).toBeLessThan(0);
  });

  it('does not carry negation into the next clause', () => {
    expect(sentimentOf('Was it a surprise? Not at all: shares plunge').label).toBe('negative');
  });

  it('takes the fall of a burden as good news and its rise as bad', () => {
    expect(sentimentOf('Costs fell 4%').label).toBe('positive');
    expect(sentimentOf('Net losses narrowed').label).toBe('positive');
    expect(sentimentOf('The loss widened').label).toBe('negative');
    expect(sentimentOf('Revenue fell 4%').label).toBe('negative');
  });

  it('reads words whose general tone means nothing on a market as neutral', () => {
    expect(sentimentOf('Gold trust shares, interest and profit')).toEqual({
      label: 'neutral',
      score: 0,
      reason: 'No word has a clear tone.',
    });
  });

  it('is not confused by names that objects have', () => {
    expect(sentimentOf('constructor toString __proto__ hasOwnProperty').score).toBe(0);
  });

  it('reads hyphens, capitals and typographic apostrophes', () => {
    expect(sentimentOf('BETTER-THAN-EXPECTED quarter').label).toBe('positive');
    expect(sentimentOf('Sales didn’t improve').score).toBeLessThan(0);
  });
});
