/**
 * The public names of the package: writes docs/api/*.api.md, or, with --check, fails where they are others than there.
 *
 * Run it: npm run api
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { faces, root, specifierOf, staleness, type Face } from '../built';
import { changesBetween } from './changes';
import { extractReport, reportPath } from './reports';

void main(process.argv.includes('--check'));

async function main(isCheck: boolean): Promise<void> {
  const stale = staleness();
  if (stale !== undefined) {
    fail(stale);
    return;
  }
  for (const face of faces) {
    const { text, forgotten } = await extractReport(face);
    if (isCheck) {
      check(face, text);
    } else {
      mkdirSync(dirname(join(root, reportPath(face))), { recursive: true });
      writeFileSync(join(root, reportPath(face)), text);
      process.stdout.write(`Written: ${reportPath(face)}\n`);
      if (forgotten.length > 0) {
        process.stdout.write(`  Not to be imported from ${specifierOf(face)}: ${forgotten.join(', ')}\n`);
      }
    }
    for (const line of differencesOfTypes(face)) {
      fail(line);
    }
  }
}

function check(face: Face, text: string): void {
  const path = join(root, reportPath(face));
  const changes = changesBetween(existsSync(path) ? readFileSync(path, 'utf8') : '', text);
  if (changes.length === 0) {
    process.stdout.write(`The public names of ${specifierOf(face)} are those of ${reportPath(face)}.\n`);
  } else {
    fail(
      `The public names of ${specifierOf(face)} are not those of ${reportPath(face)}:`,
      ...changes.map((line) => `  ${line}`),
      'If that is meant, run npm run api, commit what it wrote, and tell of it in CHANGELOG.md.',
    );
  }
}

/** `require` and `import` must get the same types; the bundler puts imports in any order. */
function differencesOfTypes(face: Face): string[] {
  const [esm, cjs] = ['d.mts', 'd.cts'].map((extension) =>
    readFileSync(join(root, 'dist', `${face}.${extension}`), 'utf8')
      .replace(/(?:-[\w-]{8})?\.(?:d\.)?[mc](?:js|ts)\b/g, '')
      .split('\n')
      .sort()
      .join('\n'),
  );
  return esm === cjs ? [] : [`${specifierOf(face)} has other types for require than for import.`];
}

function fail(...lines: readonly string[]): void {
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}
