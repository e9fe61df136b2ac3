import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { RunFacts } from './report';

/** What is known of this machine, of Node and of the packages that are measured. */
export function runFacts(packages: readonly string[]): RunFacts {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    machine:
      `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ` +
      `${Math.round(totalmem() / 2 ** 30)} GB, ${process.platform} ${process.arch}`,
    versions: packages.map((name) => [name, dependencies[name] ?? devDependencies[name] ?? 'unknown']),
  };
}
