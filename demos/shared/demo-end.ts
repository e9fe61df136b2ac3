import { DemoError } from './demo-error';
import { UsageError } from './flags';

/** Says on standard error what ended a demo, and returns the exit code for it. */
export function tellEnd(error: unknown): 1 | 2 {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}; see --help.\n`);
    return 2;
  }
  const told =
    error instanceof DemoError
      ? `${error.message}.`
      : `The demo failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  process.stderr.write(`${told}\n`);
  return 1;
}
