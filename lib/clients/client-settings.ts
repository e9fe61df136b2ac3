import {
  choiceSetting,
  configObject,
  functionSetting,
  noUnknownFields,
  numberSetting,
  shown,
} from '../core/settings';
import type { LLMCallOptimizer } from '../optimizer/llm-call-optimizer';

/** As much of the options as is checked here, which cannot import their types: they import this. */
interface GivenOptions {
  readonly traits?: unknown;
  readonly refuse?: 'response' | 'throw' | undefined;
  readonly firstChunkTimeout?: number | undefined;
  readonly chunkTimeout?: number | undefined;
}

const endpointFields = ['traits', 'refuse', 'firstChunkTimeout', 'chunkTimeout'];

/**
 * Checks what `llmFetch` and its kin are made with.
 *
 * @param others the names of the fields that only this one has
 * @throws TypeError or RangeError that names the wrong field
 */
export function checkEndpointOptions(
  owner: string,
  optimizers: object,
  options: GivenOptions,
  others: readonly string[] = [],
): void {
  const given = optimizers as { readonly optimizerFor?: unknown } | null | undefined;
  if (given?.optimizerFor === undefined) {
    requiredOptimizer(`${owner} must be given an LLMCallOptimizer or optimizerFor, but got`, optimizers);
  } else {
    functionSetting('optimizerFor', given.optimizerFor);
  }
  noUnknownFields(owner, configObject(owner, options), [...endpointFields, ...others]);
  functionSetting('traits', options.traits);
  choiceSetting('refuse', options.refuse, 'response', ['response', 'throw']);
  for (const field of ['firstChunkTimeout', 'chunkTimeout'] as const) {
    numberSetting(field, options[field], Infinity, { above: true, infinite: true });
  }
}

/**
 * A value that must be an optimizer, also one of another copy of rxllm.
 *
 * @param wanted says who needs it, and ends before the value
 * @throws TypeError for any other value
 */
export function requiredOptimizer(wanted: string, value: unknown): LLMCallOptimizer {
  if (typeof (value as Partial<LLMCallOptimizer> | null | undefined)?.stream !== 'function') {
    throw new TypeError(`${wanted} ${shown(value)}.`);
  }
  return value as LLMCallOptimizer;
}
