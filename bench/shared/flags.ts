import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The command line cannot be understood; the message says why in one sentence without its full stop. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Reads flags.
 * @throws UsageError for flags that there are not, and for anything that is no flag
 */
export function readFlags<F extends NonNullable<ParseArgsConfig['options']>>(
  argumentsGiven: readonly string[],
  options: F,
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
 * What a flag names, of all that it may name.
 * @throws UsageError if there is no such thing
 */
export function choiceNamed<N extends string>(flag: string, known: readonly N[], name: string): N {
  const choice = known.find((one) => one === name);
  if (choice === undefined) {
    throw new UsageError(`--${flag} must be one of ${known.join(', ')}, but is "${name}"`);
  }
  return choice;
}
