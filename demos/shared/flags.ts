import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The command line cannot be understood; the message says why in one sentence without its full stop. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Reads flags as `parseArgs` does.
 * @throws UsageError saying what is wrong
 */
export function parseFlags<O extends NonNullable<ParseArgsConfig['options']>>(
  argumentsGiven: readonly string[],
  options: O,
) {
  try {
    return parseArgs({ args: [...argumentsGiven], options }).values;
  } catch (error) {
    // After its first sentence parseArgs only explains positional arguments, of which there are none.
    const [sentence = ''] = (error as Error).message.split(/\. |\.$|\n/);
    throw new UsageError(sentence);
  }
}

/**
 * Reads the command line of a demo that has no flag but `--help`.
 * @returns whether it asks for help
 * @throws UsageError saying what is wrong
 */
export function asksForHelp(argumentsGiven: readonly string[]): boolean {
  return parseFlags(argumentsGiven, { help: { type: 'boolean', short: 'h' } }).help === true;
}
