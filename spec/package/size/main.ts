/**
 * What the package adds to a user's bundle: writes docs/size.md, or, with --check, fails where a budget is passed.
 *
 * Run it: npm run size
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version as esbuildVersion } from 'esbuild';
import { format, resolveConfig } from 'prettier';
import { root, staleness } from '../built';
import { bundles } from './bundles';
import { measure, shareOfFiles } from './measure';
import { byFolder, lines, overBudget, page } from './page';

void main(process.argv.includes('--check'));

async function main(isCheck: boolean): Promise<void> {
  const stale = staleness();
  if (stale !== undefined) {
    process.stderr.write(`${stale}\n`);
    process.exitCode = 1;
    return;
  }
  const measurements = await Promise.all(bundles.map((bundle) => measure(bundle)));
  process.stdout.write(`${lines(measurements)}\n`);
  const complaints = overBudget(measurements);
  for (const complaint of complaints) {
    process.stderr.write(`${complaint}\n`);
  }
  if (isCheck) {
    process.stdout.write(`${bundles.length - complaints.length} of ${bundles.length} budgets are kept.\n`);
    process.exitCode = Number(complaints.length > 0);
    return;
  }
  const own = bundles.filter(({ face }) => face === 'index');
  const contents = await Promise.all(
    own.map(async (bundle) => [bundle, byFolder(await shareOfFiles(bundle))] as const),
  );
  const path = join(root, 'docs/size.md');
  const text = page(measurements, contents, `esbuild ${esbuildVersion}`);
  const formatted = await format(text, { ...(await resolveConfig(path)), filepath: path });
  writeFileSync(path, formatted);
  process.stdout.write('Written: docs/size.md\n');
}
