import { APIConnectionError, APIError } from 'openai';
import { ClosedError, NoAnswerError } from '../../lib/index';
import { reasonOf } from './demo-error';
import type { ModelConnection } from './model-connection';

/** What messages say of a connection. */
export type NamedConnection = Pick<ModelConnection, 'endpoint' | 'model' | 'isEndpointNamed'>;

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

/** Whether a request was given up because the run was stopped. */
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
  connection: NamedConnection,
  hasAnswered: boolean,
): string | undefined {
  if (!(error instanceof APIError)) return undefined;
  const { endpoint, model, isEndpointNamed } = connection;
  const { status, code } = error as { status?: number; code?: string | null };
  if (status === 401) return `${endpoint} does not accept the key (401); check OPENAI_API_KEY`;
  if (status === 429 && code === 'insufficient_quota')
    return `The quota of this key at ${endpoint} is used up (429)`;
  if (hasAnswered) return undefined;
  if (error instanceof APIConnectionError) {
    const check = isEndpointNamed ? 'OPENAI_BASE_URL' : 'the network';
    return `${endpoint} cannot be reached: ${reasonOf(error)}; check ${check}`;
  }
  if (status === 404 || status === 405) {
    const hint = hintAtPath(connection);
    return hint === ''
      ? `${endpoint} knows no model ${model}, or is no OpenAI-compatible endpoint (${status})`
      : `${endpoint} is no OpenAI-compatible endpoint (${status})${hint}`;
  }
  return undefined;
}

/**
 * Why every call may fail like this one, as a sentence without its full stop; undefined if this one fails for its own
 * prompt, or by chance. Other calls tell: it is so if several failed and none was answered.
 */
export function likelyReason(error: unknown, connection: NamedConnection): string | undefined {
  const { endpoint, model } = connection;
  if (error instanceof NoAnswerError && error.status === undefined && !isOfPrompt(error.providerCode)) {
    return `${endpoint} answers with something else than chat completions${hintAtPath(connection)}`;
  }
  if (!(error instanceof APIError)) return undefined;
  const { status, code } = error as { status?: number; code?: string | null };
  if (status === 403) return `${endpoint} does not let this key use ${model} (403)`;
  if ((status === 400 || status === 422) && !isOfPrompt(code)) {
    return `${endpoint} does not take requests of this form for ${model} (${status})`;
  }
  return undefined;
}

/** Whether a code names a filter, or the limit on the length of one prompt. */
function isOfPrompt(code: string | null | undefined): boolean {
  return /content|context|moderation|inspection|safety|max_length/i.test(code ?? '');
}

/** Most base URLs have a path, which is easily left out. */
function hintAtPath({ endpoint, isEndpointNamed }: NamedConnection): string {
  if (!isEndpointNamed || !URL.canParse(endpoint) || new URL(endpoint).pathname !== '/') return '';
  return `; most base URLs end in /v1: try OPENAI_BASE_URL=${new URL(endpoint).origin}/v1`;
}

/** Failures before the first answer after which nobody wants to watch more of them. */
export const mostFailures = 5;

/** Why a run was in vain in which calls failed and none was answered, as a sentence without its full stop. */
export function reasonInVain(errors: readonly unknown[], connection: NamedConnection): string {
  for (const error of errors) {
    const reason = fatalReason(error, connection, false) ?? likelyReason(error, connection);
    if (reason !== undefined) return reason;
  }
  const { message } = describeFailure(errors.at(-1));
  return `${connection.endpoint} answered no call; the last failure: ${message.replace(/\.$/, '')}`;
}
