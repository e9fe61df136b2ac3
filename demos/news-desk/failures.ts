import { APIConnectionError, APIError } from 'openai';
import { ClosedError } from '../../lib/index';
import type { ModelConnection } from './model-connection';
import { reasonOf } from './desk-error';

/** What went wrong with a call, without anything of the prompt or the key, which providers' messages may repeat. */
export function describeFailure(error: unknown): { readonly name: string; readonly message: string } {
  if (isStopped(error)) return { name: 'Stopped', message: 'The run was stopped before the answer came.' };
  const name = error instanceof Error ? error.constructor.name : 'Error';
  if (error instanceof APIConnectionError) return { name, message: `Connection failed: ${reasonOf(error)}.` };
  if (error instanceof APIError) {
    const { status, code } = error as { status?: number; code?: string | null };
    return {
      name,
      message: `The endpoint answered ${status ?? 'with an error'}${code ? ` (${code})` : ''}.`,
    };
  }
  return { name, message: error instanceof Error ? error.message : String(error) };
}

/** Whether a request was given up because the desk was stopped. */
export function isStopped(error: unknown): boolean {
  return error instanceof ClosedError;
}

/** Whether the endpoint refused a call for now. */
export function isRefusal(error: unknown): boolean {
  return error instanceof APIError && error.status === 429;
}

/**
 * Why the whole run is in vain if a call fails like this, as a sentence without its full stop; undefined if it is not.
 * @param hasAnswered whether the endpoint has answered a call before
 */
export function fatalReason(
  error: unknown,
  { endpoint, model }: Pick<ModelConnection, 'endpoint' | 'model'>,
  hasAnswered: boolean,
): string | undefined {
  if (!(error instanceof APIError)) return undefined;
  const { status, code } = error as { status?: number; code?: string | null };
  if (status === 401) return `${endpoint} does not accept the key (401); check OPENAI_API_KEY`;
  if (status === 403) return `${endpoint} does not let this key use ${model} (403)`;
  if (status === 429 && code === 'insufficient_quota')
    return `The quota of this key at ${endpoint} is used up (429)`;
  if (hasAnswered) return undefined;
  if (error instanceof APIConnectionError) {
    return `${endpoint} cannot be reached: ${reasonOf(error)}; check OPENAI_BASE_URL`;
  }
  if (status === 404) return `${endpoint} knows no model ${model}, or is no OpenAI-compatible endpoint (404)`;
  if (status === 400) return `${endpoint} does not take requests of this form for ${model} (400)`;
  return undefined;
}
