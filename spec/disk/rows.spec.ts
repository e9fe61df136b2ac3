import * as fc from 'fast-check';
import {
  EntryIds,
  expiryOf,
  idOf,
  idOfFirstPart,
  keyBytes,
  keyOfRow,
  markBefore,
  markOf,
  partKey,
  readRow,
  rowLengthOf,
  rowOf,
  textOfRow,
  versionOf,
} from '../../lib/disk/rows';

/** Strings with surrogates that stand alone too. */
const anyText = () =>
  fc
    .string({ unit: 'binary', maxLength: 40 })
    .chain((text) => fc.constantFrom('', '\ud800', '\udfff', '\ufffd').map((odd) => text + odd));

describe('rows of the disk store', () => {
  it('give back key and text as they were', () => {
    fc.assert(
      fc.property(anyText(), anyText(), (key, text) => {
        const row = rowOf(keyBytes(key), text);
        expect(readRow(row)).toEqual({ key, text });
        expect(textOfRow(row, keyBytes(key))).toBe(text);
        expect(keyOfRow(row)).toEqual(keyBytes(key));
        expect(rowLengthOf(row)).toBe(row.length);
      }),
    );
  });

  it('are of their own key only', () => {
    fc.assert(
      fc.property(anyText(), anyText(), (key, other) => {
        fc.pre(key !== other);
        expect(keyBytes(key).equals(keyBytes(other))).toBe(false);
        expect(textOfRow(rowOf(keyBytes(key), 'text'), keyBytes(other))).toBeUndefined();
      }),
    );
  });

  it('are not read where a byte is wrong or the end is missing', () => {
    fc.assert(
      fc.property(
        anyText(),
        anyText(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (key, text, place, change) => {
          const row = rowOf(keyBytes(key), text);
          const changed = Buffer.from(row);
          changed[place % row.length]! ^= change;
          expect(readRow(changed)).toBeUndefined();
          expect(textOfRow(changed, keyBytes(key))).toBeUndefined();
          expect(readRow(row.subarray(0, place % row.length))).toBeUndefined();
          expect(readRow(Buffer.alloc(row.length))).toBeUndefined();
        },
      ),
    );
  });

  it('say nothing about a key where what they say cannot be', () => {
    expect(keyOfRow(Buffer.alloc(0))).toBeUndefined();
    expect(keyOfRow(Buffer.alloc(4000))).toBeUndefined();
    expect(keyOfRow(Buffer.alloc(4000, 0xff))).toBeUndefined();
    expect(rowLengthOf(Buffer.alloc(4000, 0xff))).toBe(4000);
  });
});

describe('ids and marks of the disk store', () => {
  it('come in the order they were made, those of one moment too, and are never the same', () => {
    const ids = new EntryIds();
    const others = new EntryIds();
    const made = [5, 5, 5, 6, 1000, 2 ** 40].map((now) => ids.next(now));
    expect([...made].sort((one, other) => one.compare(other))).toEqual(made);
    expect(ids.next(7.5).subarray(0, 6).readUIntBE(0, 6)).toBe(7);
    expect(new EntryIds().next(5).equals(others.next(5))).toBe(false);
    expect(new Set(made.map(versionOf)).size).toBe(made.length);
  });

  it('take any time', () => {
    for (const now of [-5, Infinity, 0]) {
      expect(new EntryIds().next(now)).toHaveLength(14);
    }
  });

  it('come in the order in which they expire', () => {
    const id = new EntryIds().next(1);
    const times = [0, 0.5, 1, 1000.25, 1.7e12, 1.7e12 + 1, Infinity];
    const marks = times.map((time) => markOf(time, id));
    expect([...marks].sort((one, other) => one.compare(other))).toEqual(marks);
    expect(marks.map(expiryOf)).toEqual(times);
    expect(idOf(marks[2]!)).toEqual(id);
    expect(Buffer.compare(markBefore(1), marks[2]!)).toBe(-1);
    expect(Buffer.compare(markBefore(1), marks[1]!)).toBe(1);
  });

  it('tell the first part of a row from the others', () => {
    const id = new EntryIds().next(1);
    expect(idOfFirstPart(partKey(id, 0))).toEqual(id);
    expect(idOfFirstPart(partKey(id, 1))).toBeUndefined();
    expect(Buffer.compare(partKey(id, 1), partKey(id, 300))).toBe(-1);
  });
});
