import { randomBytes } from 'node:crypto';

/** Keys that LMDB takes are this long at most, in bytes. */
export const longestKey = 1978;

/** No row is longer, in bytes. */
const longestRow = 2 ** 26;

const idLength = 14;
const timeLength = 6;
const expiryLength = 8;
const pageHeaderLength = 24;
const headerLength = 12;

/** Begins keys that UTF-8 cannot hold; no text in UTF-8 does. */
const otherKeys = 0xff;
const loneSurrogate = /\p{Surrogate}/u;

const { imul } = Math;

/** A key in bytes, so that no two keys share them: UTF-8, or UTF-16 where a surrogate stands alone or nothing at all. */
export function keyBytes(key: string): Buffer {
  return key === '' || loneSurrogate.test(key)
    ? Buffer.concat([Buffer.of(otherKeys), Buffer.from(key, 'utf16le')])
    : Buffer.from(key);
}

function keyFromBytes(bytes: Buffer): string {
  return bytes[0] === otherKeys ? bytes.toString('utf16le', 1) : bytes.toString();
}

/**
 * Makes the ids under which texts are kept: by time, so that the oldest come first, then in the order they were made,
 * and never the same in two processes.
 */
export class EntryIds {
  readonly #maker = randomBytes(4);
  #count = 0;

  next(now: number): Buffer {
    const id = Buffer.alloc(idLength);
    id.writeUIntBE(Math.min(Math.max(0, Math.floor(now)), 2 ** 48 - 1), 0, timeLength);
    this.#count = (this.#count + 1) >>> 0;
    id.writeUInt32BE(this.#count, timeLength);
    this.#maker.copy(id, timeLength + 4);
    return id;
  }
}

/** The number by which LMDB tells whether a key still leads to this id; made of the part that is the id's own. */
export function versionOf(id: Buffer): number {
  return (id.readUInt32BE(timeLength + 4) & 0xfffff) * 2 ** 32 + id.readUInt32BE(timeLength);
}

/** What a key leads to: when its entry expires, then the id of its text. Sorted as bytes, the first to expire is first. */
export function markOf(expiresAt: number, id: Buffer): Buffer {
  const mark = Buffer.alloc(expiryLength + idLength);
  mark.writeDoubleBE(Math.max(0, expiresAt), 0);
  id.copy(mark, expiryLength);
  return mark;
}

export function expiryOf(mark: Buffer): number {
  return mark.readDoubleBE(0);
}

export function idOf(mark: Buffer): Buffer {
  return mark.subarray(expiryLength);
}

/** The mark that every entry which expires at `time` or later comes after. */
export function markBefore(time: number): Buffer {
  return markOf(time, Buffer.alloc(idLength));
}

/** A row: whether the text is UTF-16 (1 byte), nothing (1), length of the key (2), checksum (4), length (4), key, text. */
export function rowOf(key: Buffer, text: string): Buffer {
  const encoding = loneSurrogate.test(text) ? 'utf16le' : 'utf8';
  const textAt = headerLength + key.length;
  const row = Buffer.allocUnsafe(textAt + Buffer.byteLength(text, encoding));
  row.writeUInt16LE(encoding === 'utf8' ? 0 : 1, 0);
  row.writeUInt16LE(key.length, 2);
  row.writeUInt32LE(row.length, 8);
  key.copy(row, headerLength);
  row.write(text, textAt, encoding);
  row.writeUInt32LE(checksumOf(row), 4);
  return row;
}

/**
 * The length of the parts that rows are kept in: each fits a page, as pages of any place serve then. What needs several
 * in a row would leave holes that nothing fits, and the file would grow on.
 */
export function partLengthOf(pageSize: number): number {
  return pageSize - pageHeaderLength;
}

/** The key of a part of a row: its id, then its number. */
export function partKey(id: Buffer, part: number): Buffer {
  const key = Buffer.alloc(idLength + 2);
  id.copy(key);
  key.writeUInt16BE(part, idLength);
  return key;
}

/** The id of a row by the key of its first part; undefined for that of another part. */
export function idOfFirstPart(key: Buffer): Buffer | undefined {
  return key.readUInt16BE(idLength) === 0 ? key.subarray(0, idLength) : undefined;
}

/** How long the row is that begins with this part; what a disk gave back wrong may say anything. */
export function rowLengthOf(firstPart: Buffer): number {
  const length = firstPart.length < headerLength ? 0 : firstPart.readUInt32LE(8);
  return length < longestRow ? length : firstPart.length;
}

/** The key in the first part of a row, in bytes; undefined where that cannot be. */
export function keyOfRow(firstPart: Buffer): Buffer | undefined {
  const length = firstPart.length < headerLength ? 0 : firstPart.readUInt16LE(2);
  return length > 0 && length <= longestKey && headerLength + length <= firstPart.length
    ? firstPart.subarray(headerLength, headerLength + length)
    : undefined;
}

/** About how many bytes of disk a row takes, with all that leads to it. */
export function diskBytesOf(rowLength: number, pageSize: number): number {
  const partLength = partLengthOf(pageSize);
  const rest = rowLength % partLength;
  const pages = Math.floor(rowLength / partLength) + (rest > pageSize / 2 - 40 ? 1 : 0);
  return pages * (pageSize + 64) + (rest > pageSize / 2 - 40 ? 0 : rest * 1.9) + 300;
}

/** The key and the text of a row; undefined where the row is not whole. */
export function readRow(row: Buffer): { key: string; text: string } | undefined {
  const key = isWhole(row) ? keyOfRow(row) : undefined;
  return key && { key: keyFromBytes(key), text: textFrom(row, headerLength + key.length) };
}

/** The text of a row; undefined where the row is not whole, or that of another key. */
export function textOfRow(row: Buffer, key: Buffer): string | undefined {
  const textAt = headerLength + key.length;
  const isOfKey =
    isWhole(row) &&
    row.readUInt16LE(2) === key.length &&
    row.compare(key, 0, key.length, headerLength, textAt) === 0;
  return isOfKey ? textFrom(row, textAt) : undefined;
}

function textFrom(row: Buffer, textAt: number): string {
  return row.toString(row[0] === 0 ? 'utf8' : 'utf16le', textAt);
}

/** LMDB checks no page that it reads, so what a disk gave back wrong must be noticed here. */
function isWhole(row: Buffer): boolean {
  return row.length >= headerLength && row.readUInt32LE(4) === checksumOf(row);
}

function checksumOf(row: Buffer): number {
  let sum = imul(row.readUInt32LE(0) ^ row.length, 0x9e3779b1);
  let at = 8;
  for (const end = row.length - 3; at < end; at += 4) {
    const word = row[at]! | (row[at + 1]! << 8) | (row[at + 2]! << 16) | (row[at + 3]! << 24);
    sum = imul(sum ^ word, 0x9e3779b1);
    sum ^= sum >>> 15;
  }
  for (; at < row.length; at++) {
    sum = imul(sum ^ row[at]!, 0x01000193);
  }
  return (sum ^ (sum >>> 13)) >>> 0;
}
