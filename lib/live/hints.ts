import type { ErrorKind, GateName } from 'rxllm';

export const errorHints: Readonly<Record<ErrorKind, string>> = {
  'rate-limited':
    'The provider refused for now (429). These calls are retried, and the limiter learns from them.',
  overloaded:
    'The provider is short of capacity (503, 529). These calls are retried; another model may have capacity.',
  'server-error': 'The provider failed (5xx). If this continues, look at its status page.',
  unauthorized: 'The key is wrong or may not use this model (401, 403). Check the key and its project.',
  'not-found': 'The model or the URL does not exist (404). Check the name of the model and the base URL.',
  'bad-request': 'The provider does not accept the request (4xx). Log one error and correct the request.',
  timeout: 'Calls took longer than the timeout. Raise timeout, or ask for shorter answers.',
  connection: 'The provider was not reached, or the connection broke. Check the network and the base URL.',
  empty: 'The call ended without an answer. Look at what the call returns.',
  'quota-spent':
    'A quota or the money is spent. Raise the quota, add money, or wait until the quota is renewed.',
  'spend-limit':
    'Calls have cost as much as maxSpend allows. To go on, make a new optimizer with a higher maxSpend.',
  'deadline-exceeded':
    'Requests waited longer than maxWait. Raise maxWait or the limits, or send fewer requests.',
  'queue-overflow': 'The queue was full. Raise maxQueue or maxConcurrent, or send fewer requests.',
  'missing-outcome': 'A misses pipeline lost a request. Let it yield one outcome for each request.',
  closed: 'The optimizer was closed before these requests were answered.',
  other: 'rxllm does not know this error. Log it, and pass a classifyError that knows it.',
};

export const gateAdvice: Readonly<Record<GateName, string>> = {
  slots: 'If the provider can take more calls at once, raise maxConcurrent.',
  pause: 'Call limiter.resume().',
  hold: 'Nothing to do: calls start again by themselves. If this happens often, raise the limit, or share the key among fewer processes.',
  outage: "Look at the provider's status page. Single probes find out when the outage is over.",
  pace: 'Nothing to do: the pace quickens while calls succeed. If calls report rate-limit headers, it follows them at once.',
  'learned-rate':
    'To go faster, ask the provider for a higher limit, or share the key among fewer processes.',
  budget: 'To go faster, raise this limit. Give urgent requests a higher priority.',
  fleet: 'The processes of the fleet share the limits: raise them, or send fewer requests.',
};
