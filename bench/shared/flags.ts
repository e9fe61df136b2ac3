import { UsageError } from '../../demos/shared/flags';

export { parseFlags, UsageError } from '../../demos/shared/flags';

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
