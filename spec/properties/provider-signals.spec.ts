import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { classifyError } from '../../lib/provider/classify-error';
import { durationOf } from '../../lib/provider/durations';
import {
  retryAfterOf,
  spentUntil,
  statedLimitsOf,
  type StatedLimit,
} from '../../lib/provider/rate-limit-headers';
import { runs } from './runs';

const date = 'Thu, 01 Jan 2026 00:00:00 GMT';
const month = 32 * 86_400_000;

/** What providers really answer, as section for section of their documentation and captured answers have it. */
const samples: readonly Readonly<Record<string, string>>[] = [
  {
    'x-ratelimit-limit-requests': '5000',
    'x-ratelimit-remaining-requests': '4999',
    'x-ratelimit-reset-requests': '12ms',
    'x-ratelimit-limit-tokens': '20000',
    'x-ratelimit-remaining-tokens': '15482',
    'x-ratelimit-reset-tokens': '13.554s',
    'retry-after': '56',
  },
  {
    'x-ratelimit-limit-requests': '14400',
    'x-ratelimit-remaining-requests': '14370',
    'x-ratelimit-reset-requests': '2m59.56s',
    'x-ratelimit-limit-tokens': '6000',
    'x-ratelimit-remaining-tokens': '5956',
    'x-ratelimit-reset-tokens': '440ms',
    'retry-after': '7.66',
  },
  {
    'x-ratelimit-limit-requests': '5',
    'x-ratelimit-remaining-requests': '4',
    'x-ratelimit-reset-requests': '12',
    'x-ratelimit-renewalperiod-requests': '60',
    'x-ratelimit-limit-tokens': '-1',
    'x-ratelimit-remaining-tokens': '-1',
    'x-ratelimit-reset-tokens': '0',
    'retry-after': '1',
    'retry-after-ms': '0',
    'x-ms-retry-after-ms': '634',
  },
  {
    date,
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '49',
    'anthropic-ratelimit-requests-reset': '2026-01-01T00:00:01Z',
    'anthropic-ratelimit-input-tokens-limit': '40000',
    'anthropic-ratelimit-input-tokens-remaining': '39000',
    'anthropic-ratelimit-input-tokens-reset': '2026-01-01T00:00:02Z',
    'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT',
  },
  {
    'x-ratelimit-limit-req-minute': '60',
    'x-ratelimit-remaining-req-minute': '59',
    'ratelimitbysize-limit': '500000',
    'ratelimitbysize-remaining': '499900',
    'ratelimitbysize-reset': '28',
  },
  {
    'x-ratelimit-limit-requests-day': '10000',
    'x-ratelimit-remaining-requests-day': '9500',
    'x-ratelimit-reset-requests-day': '33011.382867',
    'x-ratelimit-limit-tokens-minute': '60000',
    'x-ratelimit-remaining-tokens-minute': '50',
    'x-ratelimit-reset-tokens-minute': '26.5',
  },
  {
    'ratelimit-policy': '"burst";q=100;w=60, "daily";q=1000;w=86400',
    ratelimit: '"burst";r=50;t=30, "daily";r=900',
  },
  { 'ratelimit-limit': '100, 100;w=60', 'ratelimit-remaining': '50', 'ratelimit-reset': '30' },
];

const characters = Array.from('0123456789.,;:-+eE hmsuµn"=TZinfNa\u0000٣');
const units = ['h', 'm', 's', 'ms', 'us', 'ns', '', ' s', 'd'];
const sentinels = ['', '-1', '0', 'inf', 'Infinity', 'NaN', 'null', '-0', '1e309', '0x10', '60, 60'];

type Mutation = (text: string) => string;

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.nat(40), fc.constantFrom(...characters)).map(([at, character]): Mutation => (text) => {
    const place = at % Math.max(1, text.length);
    return text.slice(0, place) + character + text.slice(place + 1);
  }),
  fc.tuple(fc.nat(40), fc.constantFrom(...characters)).map(([at, character]): Mutation => (text) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + character + text.slice(place);
  }),
  fc.nat(40).map(
    (at): Mutation =>
      (text) =>
        text.slice(0, at % (text.length + 1)),
  ),
  fc.nat(40).map(
    (at): Mutation =>
      (text) =>
        text.slice(at % (text.length + 1)),
  ),
  fc.constantFrom(...units).map(
    (unit): Mutation =>
      (text) =>
        text.replace(/[a-zµ]+$/, '') + unit,
  ),
  fc.constantFrom(...units).map(
    (unit): Mutation =>
      (text) =>
        text.replace(/(?<=\d)(?:h|ms|m|s|$)/, unit),
  ),
  fc.integer({ min: 1, max: 400 }).map(
    (more): Mutation =>
      (text) =>
        text.replace(/\d/, (digit) => digit.repeat(more)),
  ),
  fc.constantFrom(...sentinels).map(
    (sentinel): Mutation =>
      () =>
        sentinel,
  ),
  fc.string().map(
    (text): Mutation =>
      () =>
        text,
  ),
);

const caseOf = (name: string, shuffle: number): string =>
  Array.from(name)
    .map((letter, index) => ((shuffle >> (index % 30)) & 1 ? letter.toUpperCase() : letter))
    .join('');

/** One to three headers of a sample broken, and all names in any case. */
const mutatedHeaders = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(fc.tuple(fc.nat(), mutation), { minLength: 1, maxLength: 3 }),
    fc.nat(),
  )
  .map(([sample, mutations, shuffle]) => {
    const headers: Record<string, string> = { ...sample };
    const names = Object.keys(headers);
    for (const [chosen, mutate] of mutations) {
      const name = names[chosen % names.length]!;
      headers[name] = mutate(headers[name]!);
    }
    return {
      headers,
      shuffled: Object.fromEntries(names.map((name) => [caseOf(name, shuffle), headers[name]!])),
    };
  });

/** Reads a duration letter by letter and by other rules than the parser: the strict oracle. */
function strictDuration(text: string): number | undefined {
  const order = ['d', 'h', 'm', 's'];
  const sizes: Record<string, number> = {
    d: 86_400_000,
    h: 3_600_000,
    m: 60_000,
    s: 1000,
    ms: 1,
    us: 1e-3,
    µs: 1e-3,
    ns: 1e-6,
  };
  const isDigit = (character: string | undefined): boolean =>
    character !== undefined && '0123456789'.includes(character);
  const input = text.trim();
  let at = 0;
  let total = 0;
  const seen: string[] = [];
  if (input === '') return undefined;
  while (at < input.length) {
    const from = at;
    while (isDigit(input[at])) at++;
    if (at === from) return undefined;
    const hasFraction = input[at] === '.';
    if (hasFraction) {
      const dot = at++;
      while (isDigit(input[at])) at++;
      if (at === dot + 1) return undefined;
    }
    const amount = Number(input.slice(from, at));
    const start = at;
    while (at < input.length && !isDigit(input[at])) at++;
    const unit = input.slice(start, at);
    if (unit === '') {
      // A bare number is seconds, and stands alone.
      if (seen.length > 0) return undefined;
      total = amount * 1000;
      seen.push(unit);
      continue;
    }
    const size = Object.hasOwn(sizes, unit) ? sizes[unit] : undefined;
    if (size === undefined || seen.includes('')) return undefined;
    const isLarge = order.includes(unit);
    if (!isLarge && (seen.length > 0 || at < input.length)) return undefined;
    if (hasFraction && isLarge && unit !== 's') return undefined;
    const last = seen.at(-1);
    const isOutOfOrder = last !== undefined && order.indexOf(last) >= order.indexOf(unit);
    const isCarriedOver = last !== undefined && amount >= (unit === 'h' ? 24 : 60);
    if (isOutOfOrder || isCarriedOver) return undefined;
    total += amount * size;
    seen.push(unit);
  }
  return total <= month ? total : undefined;
}

/** What a gateway has sent twice counts once. */
function once(text: string): string {
  const [first, ...others] = text.split(',').map((part) => part.trim());
  return others.every((other) => other === first) ? first! : text;
}

function expectSane(limits: readonly StatedLimit[]): void {
  for (const { name, limit, remaining, reset, window } of limits) {
    assert.notEqual(name, '');
    assert.ok(Number.isFinite(limit) && limit > 0);
    assert.ok(Number.isFinite(window) && window > 0);
    if (remaining !== undefined) {
      assert.ok(remaining >= 0 && remaining <= limit);
    }
    if (reset !== undefined) {
      // Rounding to whole seconds may lengthen it.
      assert.ok(reset >= 0 && reset <= 1.02 * window + 1000);
    }
  }
  assert.equal(new Set(limits.map(({ name }) => name)).size, limits.length);
}

const isCount = (text: string | undefined): boolean => text !== undefined && /^\s*[0-9]+\s*$/.test(text);

/** Every figure must stand in a header that is valid in its format. */
function expectStated(limits: readonly StatedLimit[], headers: Readonly<Record<string, string>>): void {
  const counts = Object.values(headers).filter(isCount).map(Number);
  for (const { name, limit, remaining, reset } of limits) {
    if (name.startsWith('policy')) {
      const digits = Object.values(headers).join(' ');
      assert.ok(digits.includes(String(limit)));
      continue;
    }
    assert.ok(counts.includes(limit));
    if (remaining !== undefined) {
      // Anthropic's may be above the limit by rounding.
      assert.ok(remaining === limit || counts.includes(remaining));
    }
    if (reset !== undefined) {
      const stated = Object.entries(headers)
        .filter(([header]) => header.includes('reset'))
        .map(
          ([, text]) => strictDuration(text) ?? Date.parse(text.trim()) - Date.parse(headers['date'] ?? date),
        );
      assert.ok(
        stated.some((one) => Math.abs(one - reset) < 1e-3 || (one < 0 && one >= -2000 && reset === 0)),
      );
    }
  }
}

describe('whatever a provider answers', () => {
  it('10,000 mutated headers never throw and never give a number that was not stated', () => {
    fc.assert(
      fc.property(
        mutatedHeaders,
        fc.option(fc.double(), { nil: undefined }),
        ({ headers: sent, shuffled }, now) => {
          const headers = Object.fromEntries(Object.entries(sent).map(([name, text]) => [name, once(text)]));
          const limits = statedLimitsOf(shuffled, now);
          expectSane(limits);
          expectStated(limits, headers);
          const retryAfter = retryAfterOf(shuffled, now);
          if (retryAfter !== undefined) {
            assert.ok(retryAfter > 0 && retryAfter <= month);
            const asked = headers['retry-after'] ?? '';
            const stated = [
              strictDuration(asked.split(',', 1)[0]!),
              Number(asked) * 1000 - Date.parse(headers['date'] ?? date),
              strictMilliseconds(headers['retry-after-ms']),
              strictMilliseconds(headers['x-ms-retry-after-ms']),
              strictDuration(headers['retry-after'] ?? ''),
              Date.parse((headers['retry-after'] ?? '').trim()) - Date.parse(headers['date'] ?? ''),
              Date.parse((headers['retry-after'] ?? '').trim()) - (now ?? NaN),
            ];
            assert.ok(stated.some((one) => one !== undefined && Math.abs(one - retryAfter) < 1e-3));
          }
          const classification = classifyError({ status: 429, headers: shuffled }, now);
          if (classification.kind === 'stop') {
            const isZero = ([name, text]: [string, string]) =>
              name.includes('limit') && /^\s*0+\s*$/.test(text);
            assert.ok(retryAfter === undefined && Object.entries(headers).some(isZero));
            return;
          }
          assert.equal(classification.kind, 'wait');
          assert.equal(classification.retryAfter, retryAfter ?? spentUntil(shuffled, now));
          assert.deepEqual(classification.limits ?? [], limits);
        },
      ),
      { numRuns: runs(10_000) },
    );
  });

  it('a duration is read exactly when the strict oracle reads it, and as the same', () => {
    const durations = fc.constantFrom(
      ...[
        '1s',
        '6m0s',
        '20ms',
        '8.64s',
        '2m59.56s',
        '7.66',
        '56',
        '1h53m56.832s',
        '45.837906927s',
        '500us',
        '0',
      ],
    );
    fc.assert(
      fc.property(durations, fc.array(mutation, { maxLength: 3 }), (duration, mutations) => {
        const text = mutations.reduce((mutated, mutate) => mutate(mutated), duration);
        const strict = strictDuration(text);
        const read = durationOf(text);
        // The parser may refuse what is valid but longer than anybody writes; it must not read more.
        if (read !== undefined || (strict !== undefined && text.trim().length <= 16)) {
          assert.ok(Math.abs((read ?? NaN) - (strict ?? NaN)) <= 1e-6 * Math.max(1, strict ?? 0), text);
        }
      }),
      { numRuns: runs(10_000) },
    );
  });

  it('messages and bodies that are mutated never throw, and their figures stand in them', () => {
    const message =
      'Rate limit reached for gpt-4o on tokens per min (TPM): Limit 200000, Used 199821, Requested 2295. Please try again in 634ms. Visit us.';
    const body = JSON.stringify({
      error: {
        code: 429,
        message: 'Quota exceeded. Please retry in 45.837906927s.',
        status: 'RESOURCE_EXHAUSTED',
        details: [
          {
            violations: [{ quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier', quotaValue: '20' }],
          },
          { retryDelay: '45.837906927s' },
        ],
      },
    });
    const places = fc.array(fc.tuple(fc.nat(400), fc.constantFrom(...characters)), { maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(message, body), places, fc.option(fc.nat(400)), (text, changes, length) => {
        const changed = Array.from(text);
        for (const [at, character] of changes) {
          changed[at % changed.length] = character;
        }
        const mutated = changed.join('').slice(0, length ?? undefined);
        for (const error of [
          new Error(mutated),
          { status: 429, message: mutated },
          { status: 429, responseBody: mutated },
        ]) {
          const { kind, retryAfter, limits = [] } = classifyError(error);
          // A code in the text may have become that of another error; a status stands.
          const others = error instanceof Error ? ['transient', 'overloaded'] : [];
          assert.ok(['stop', 'wait', 'unknown', ...others].includes(kind));
          expectSane(limits);
          for (const { limit } of limits) {
            assert.ok(mutated.includes(String(limit)));
          }
          if (retryAfter !== undefined) {
            assert.ok(retryAfter > 0 && retryAfter <= month);
            const words = mutated.match(/[\d.]+[a-zµ\d.]*/g) ?? [];
            const stated = words.map((word) => strictDuration(word.replace(/\.$/, '')));
            const bare = words.map((word) => Number(word) * 1000);
            // As people write it: "634 ms", and "6 m, 34 s" in parts.
            const parts = [...mutated.matchAll(/(\d+(?:\.\d+)?) ?([dhms]+)(?![a-z])/gi)].map(
              ([, amount, unit]) => strictDuration(`1${unit!.toLowerCase()}`)! * Number(amount),
            );
            const sums = parts.flatMap((_, from) => parts.map((_part, to) => parts.slice(from, to + 1)));
            const written = sums.map((some) => some.reduce((sum, part) => sum + part, 0));
            assert.ok(
              [...stated, ...bare, ...written].some(
                (one) => one !== undefined && Math.abs(one - retryAfter) < 1e-3,
              ),
            );
          }
        }
      }),
      { numRuns: runs(5000) },
    );
  });

  it('any value at all is classified', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withMap: true, withTypedArray: true }), (value) => {
        for (const error of [
          value,
          { error: value },
          { headers: value, status: 429 },
          { cause: value, message: value },
        ]) {
          const { kind, retryAfter, limits } = classifyError(error);
          assert.ok(['stop', 'wait', 'overloaded', 'transient', 'unknown'].includes(kind));
          assert.ok(retryAfter === undefined || retryAfter > 0);
          expectSane(limits ?? []);
        }
      }),
      { numRuns: runs(2000) },
    );
  });
});

function strictMilliseconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*[0-9]+(\.[0-9]+)?\s*$/.test(text) ? Number(text) : undefined;
}
