/**
 * Words and phrases that mean something on a market, with their weight from -5 to 5: every line is a weight and the
 * forms that share it, divided by commas. They replace the weights of the general lexicon.
 */
const toneLines: readonly (readonly [weight: number, forms: string])[] = [
  [-4, 'profit warning, profits warning, warns on profit, going concern, ponzi'],
  [-4, 'bankrupt, bankruptcy, insolvent, insolvency, administration, receivership'],
  [-3.5, 'fraud, fraudulent, embezzled, restatement, restates, restated'],
  [-3, 'default, defaults, defaulted, covenant breach, breaches covenant'],
  [-3, 'data breach, ransomware, cyberattack, outage, outages'],
  [-2.5, 'breach, breached, breaches, explosion, fire, spill, fatal'],
  [-2.5, 'halt, halts, halted, suspends, suspended, suspension, shutdown, shuts'],
  [-2.5, 'recall, recalls, recalled, recalling'],
  [-2.5, 'downgrade, downgrades, downgraded'],
  [-2.5, 'misses, missed, falls short, fell short, short of, fails to meet, swings to loss'],
  [-2.5, 'below expectations, below estimates, below forecasts, below consensus, worse than expected'],
  [-2.5, 'cuts guidance, cuts outlook, cuts forecast, lowers guidance, withdraws guidance, cuts dividend'],
  [-2, 'cuts jobs, job cuts, layoffs, lay off, lays off, redundancies, closes plant'],
  [-2, 'lawsuit, lawsuits, sues, sued, probe, probes, investigation, investigates, subpoena, raid, raided'],
  [-2, 'fined, penalty, penalties, sanction, sanctions'],
  [-2, 'write down, writedown, impairment, write off, charge off, shortfall'],
  [-2, 'rejects, rejected, rejection, blocks, blocked, terminated, terminates, cancels, cancelled, scrapped'],
  [-2, 'resigns abruptly, steps down abruptly, ousted, ousts'],
  [-1.5, 'loss, losses, deficit, dilution, dilutive, dilutes'],
  [-1.5, 'delay, delays, delayed, postpones, postponed, setback, strike, walkout, shortage, shortages'],
  [
    -1.5,
    'weak, weaker, weakest, weakens, weakness, soft, softer, sluggish, disappoints, disappointing, subdued',
  ],
  [-1.5, 'headwind, headwinds, pressure, squeeze, squeezed, oversupply, glut, selloff, sell off, bearish'],
  [-1.5, 'rate rise, rate hike, raises rates, tariff, tariffs, recession, contraction, contracted'],
  [-1, 'antitrust, cautious, caution, cautiously, volatile, volatility, uncertain, uncertainty, lacklustre'],
  [4, 'raises guidance, raises outlook, raises forecast, lifts guidance, lifts outlook, lifts forecast'],
  [
    3,
    'beats, beat, tops estimates, tops forecasts, topped estimates, topped forecasts, outperforms, outperformed',
  ],
  [2.5, 'above expectations, above estimates, above forecasts, above consensus, better than expected'],
  [2.5, 'upgrade, upgrades, upgraded'],
  [2.5, 'wins appeal, swings to profit, wins approval, approval, approves, approved, clearance, cleared'],
  [2.5, 'breakthrough, record profit, record revenue, record sales, record orders, record high'],
  [2, 'buyback, repurchase, special dividend, raises dividend, lifts dividend, higher dividend'],
  [2, 'wins, win, won, awarded, secures, secured, lands'],
  [2, 'takeover premium, premium of, oversubscribed, bullish'],
  [1.5, 'strong, stronger, strongest, robust, resilient, healthy, solid, brisk, upbeat'],
  [1.5, 'expands, expanded, expansion, accelerates, accelerated, accelerating, doubles, doubled, tripled'],
  [
    1.5,
    'profitable, profitability, turnaround, recovery, recover, recovers, recovered, rally, rallies, rallied',
  ],
  [1.5, 'restores service, restored service, back online'],
  [1, 'rate cut, cuts rates, stimulus, tailwind, tailwinds, ahead of schedule, partnership, milestone'],
];

/** Words of direction: whether up is good depends on what moves. Lines as in {@link toneLines}. */
const directionLines: readonly (readonly [weight: number, forms: string])[] = [
  [-3, 'plunge, plunges, plunged, plunging, collapse, collapses, collapsed, crash, crashes, crashed'],
  [-2.5, 'tumble, tumbles, tumbled, slump, slumps, slumped, sink, sinks, sank, plummets, plummeted'],
  [
    -2,
    'fall, falls, fell, falling, fallen, drop, drops, dropped, decline, declines, declined, shrank, shrinks',
  ],
  [
    -1.5,
    'slip, slips, slipped, slide, slides, slid, ease, eases, eased, dip, dips, dipped, retreats, retreated',
  ],
  [
    -1.5,
    'lower, lowers, lowered, cut, cuts, narrow, narrows, narrowed, slow, slows, slowed, slowing, reduces, reduced, trims',
  ],
  [3, 'soar, soars, soared, surge, surges, surged, jump, jumps, jumped, leaps, leapt'],
  [2, 'rise, rises, rose, rising, risen, climb, climbs, climbed, gain, gains, gained, advances, advanced'],
  [1.5, 'grow, grows, grew, growing, growth, increase, increases, increased, improve, improves, improved'],
  [
    1.5,
    'higher, raise, raises, raised, lift, lifts, lifted, widen, widens, widened, swells, swelled, edges up, edged up',
  ],
];

/** What is bad when it rises and good when it falls. */
const burdens =
  'cost costs expense expenses debt debts loss losses deficit unemployment jobless joblessness inflation delays ' +
  'defaults arrears claims complaints vacancy churn emissions shrinkage downtime provisions spreads';

/** Words of the general lexicon that are only the names of things here. */
const nouns =
  'gold share shares interest demand trust trusts profit profits tax taxes debt charge charges mine mines novel ' +
  'united natural capital grant grants top chance crude pay paid pays please alert join joins like no stop security ' +
  'securities fund bond bonds care energy matter active growth limited supreme warrants want worth fresh hard fair ' +
  'clear safe safety rich reward lead leads leading share stake favor favour ability big greater great good bright ' +
  'support supported commitment commit agree agreed agrees agreement help helps vision vitality cool fine ' +
  'straight reach reaches reached stops stopping luxury free odd block flagship extend extends strikes';

/** A word or phrase with a weight. */
export interface MarketWord {
  /** From -5 to 5. */
  readonly weight: number;
  /** Whether the weight turns when the thing that moves is a burden. */
  readonly direction: boolean;
}

/** The market words and phrases, in lower case with single blanks. */
export const marketWords: ReadonlyMap<string, MarketWord> = new Map([
  ...entries(toneLines, false),
  ...entries(directionLines, true),
]);

/** Things whose rise is bad news. */
export const burdenNouns: ReadonlySet<string> = new Set(burdens.split(' '));

/** Words that carry no tone here although a general lexicon gives them one. */
export const neutralNouns: ReadonlySet<string> = new Set(nouns.split(' '));

function entries(
  lines: readonly (readonly [weight: number, forms: string])[],
  direction: boolean,
): [string, MarketWord][] {
  return lines.flatMap(([weight, forms]) =>
    forms.split(', ').map((form): [string, MarketWord] => [form, { weight, direction }]),
  );
}
