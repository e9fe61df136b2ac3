import fc from 'fast-check';
import {
  composeContentKey,
  composeKey,
  keyOfRequest,
  partsOfKey,
  type KeyParts,
} from '../../lib/cache/request-key';
import { runs } from './runs';

const pieces = fc
  .array(
    fc.constantFrom(
      'namespace(',
      'version(',
      'call(',
      'v1:',
      'scope(',
      'sample(',
      'key(',
      '):',
      ')',
      ':',
      '0',
      '1',
      '3',
      'a',
    ),
  )
  .map((parts) => parts.join(''));
const text = fc.oneof(pieces, fc.string(), fc.constantFrom('', 'v1:a'));
const parts: fc.Arbitrary<KeyParts> = fc.record(
  { namespace: text, call: text, version: text, scope: text, sample: fc.oneof(fc.nat(3), fc.maxSafeNat()) },
  { requiredKeys: [] },
);
const composed = parts.chain((some) => text.map((key) => composeKey(some, key)));

describe('composeKey', () => {
  it('never lets two pairs of parts and key meet, whatever imitates whatever', () => {
    fc.assert(
      fc.property(parts, fc.oneof(text, composed), (some, key) => {
        expect(partsOfKey(composeKey(some, key))).toEqual({ ...some, key });
      }),
      { numRuns: runs(2000) },
    );
    fc.assert(
      fc.property(
        parts,
        fc.oneof(text, composed),
        parts,
        fc.oneof(text, composed),
        (some, key, other, otherKey) => {
          fc.pre(JSON.stringify([sorted(some), key]) !== JSON.stringify([sorted(other), otherKey]));
          expect(composeKey(some, key)).not.toBe(composeKey(other, otherKey));
        },
      ),
      { numRuns: runs(2000) },
    );
  });

  it('makes no key of the user that content has', () => {
    const contentKey = fc.constantFrom('v1:a', `v1:${'0'.repeat(64)}`);
    fc.assert(
      fc.property(
        parts,
        fc.oneof(text, composed, contentKey),
        parts,
        contentKey,
        (some, key, other, made) => {
          expect(composeKey(some, key)).not.toBe(composeContentKey(other, made));
          expect(partsOfKey(composeContentKey(other, made))).toEqual({ ...other, key: made });
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('makes what partsOfKey says of it, even of keys that it has not made', () => {
    fc.assert(
      fc.property(fc.oneof(text, composed), (key) => {
        const { key: ownKey, ...some } = partsOfKey(key);
        expect([key, `key():${key}`]).toContain(composeKey(some, ownKey));
      }),
      { numRuns: runs(2000) },
    );
  });
});

function sorted(some: KeyParts): unknown[] {
  return [
    some.namespace ?? null,
    some.call ?? null,
    some.version ?? null,
    some.scope ?? null,
    some.sample ?? null,
  ];
}

describe('keyOfRequest', () => {
  // Few and alike, so that values often are equal and often nearly so.
  const leaf = fc.constantFrom<unknown>(
    ...[0, -0, NaN, 1, 1n, '', '1', '0', 'NaN', '~Date', null, undefined, true, 'true'],
  );
  const name = fc.constantFrom('a', 'b', '0', '1', '~', '~Date', '~number', '~~Date', '__proto__');
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => {
    const items = fc.array(tie('tree'), { maxLength: 2 });
    return {
      tree: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        leaf,
        items,
        fc.dictionary(name, tie('tree'), { maxKeys: 2 }),
        items.map((some) => new Set(some)),
        fc.array(fc.tuple(leaf, tie('tree')), { maxLength: 2 }).map((entries) => new Map(entries)),
        fc.constantFrom(0, NaN).map((time) => new Date(time)),
        fc.array(fc.constantFrom(0, 1), { maxLength: 2 }).map((some) => Uint8Array.from(some)),
      ),
    };
  });

  it('is the same for equal requests, and for no others', () => {
    let equal = 0;
    fc.assert(
      fc.property(tree, tree, (one, other) => {
        const areEqual = written(one) === written(other);
        equal += areEqual ? 1 : 0;
        expect(keyOfRequest({ content: one }) === keyOfRequest({ content: other })).toBe(areEqual);
        expect(keyOfRequest([one]) === keyOfRequest([other])).toBe(
          areEqual || written([one]) === written([other]),
        );
      }),
      { numRuns: runs(2000) },
    );
    expect(equal).toBeGreaterThan(20);
  });

  it('is the same in any order of the fields', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), tree), fc.infiniteStream(fc.nat()), (fields, ranks) => {
        const shuffled = Object.entries(fields)
          .map((field) => [ranks.next().value as number, field] as const)
          .sort(([one], [other]) => one - other)
          .map(([, field]) => field);
        expect(keyOfRequest([Object.fromEntries(shuffled)])).toBe(keyOfRequest([fields]));
      }),
    );
  });

  /** Written down with types, and with fields sorted and without those that are undefined. */
  function written(value: unknown, isField = true): string {
    if (value instanceof Uint8Array) {
      return `bytes(${value.join()})`;
    }
    if (value instanceof Date) {
      return `date(${value.getTime()})`;
    }
    if (value instanceof Map) {
      return `map(${[...(value as Map<unknown, unknown>)].map((pair) => written(pair)).join()})`;
    }
    if (value instanceof Set) {
      return `set(${[...(value as Set<unknown>)].map((item) => written(item, false)).join()})`;
    }
    if (Array.isArray(value)) {
      return `[${value.map((item) => written(item, false)).join()}]`;
    }
    if (typeof value === 'object' && value !== null) {
      const fields = Object.entries(value)
        .filter(([, content]) => content !== undefined)
        .sort(([one], [other]) => (one < other ? -1 : 1));
      return `{${fields.map(([field, content]) => `${JSON.stringify(field)}:${written(content)}`).join()}}`;
    }
    return `${typeof value} ${Object.is(value, -0) ? '-0' : isField && value === undefined ? 'absent' : JSON.stringify(String(value))}`;
  }
});
