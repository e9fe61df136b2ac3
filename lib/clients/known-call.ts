import { callIdentity, type CallIdentity } from '../core/call-identity';

/** What clients tell of where they ask, as far as they do. */
interface TellingClient {
  /** Of OpenAI, Anthropic and their kin. */
  readonly baseURL?: string;
  /** Of Azure: the deployment that is asked, whatever the model of the body. */
  readonly deploymentName?: string | undefined;
  /** Of Google. */
  readonly apiClient?: {
    isVertexAI?(): boolean;
    getRequestUrl?(): string;
    getBaseResourcePath?(): string;
  };
}

/**
 * Has a call of an SDK tell the endpoint that it asks and the body that it sends, so that a cache knows it by these. A
 * client that does not tell where it asks leaves its calls as they are: known by their functions.
 */
export function knownCall<C extends object>(
  call: C,
  client: object,
  path: string,
  body: CallIdentity<never>['body'],
): C {
  const base = baseOf(client);
  if (base === undefined) {
    return call;
  }
  const identity: CallIdentity<never> = { endpoint: base + path, body };
  return Object.assign(call, { [callIdentity]: identity });
}

function baseOf({ baseURL, deploymentName, apiClient }: TellingClient): string | undefined {
  if (typeof baseURL === 'string') {
    return deploymentName === undefined ? baseURL : `${baseURL}/deployments/${deploymentName}`;
  }
  const url = apiClient?.getRequestUrl?.();
  return apiClient?.isVertexAI?.() ? url && `${url}/${apiClient.getBaseResourcePath?.()}` : url;
}
