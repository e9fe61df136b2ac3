interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
  readonly code?: string;
  readonly type?: string;
  readonly error?: unknown;
}

/**
 * A simulated provider's answer to a call that it refused (429) or failed (503 or another status), in the shape of
 * the OpenAI SDK's `APIError`, so that whatever handles that handles this. It never holds the request.
 *
 * @example
 * provider.call(request).pipe(
 *   catchError((error) => (error instanceof SimulatedProviderError && error.status === 429 ? later$ : fail(error))),
 * );
 */
export class SimulatedProviderError extends Error {
  override readonly name = 'SimulatedProviderError';
  /** The HTTP status: 429 for a refused call, an outage's `status` for a failed one. */
  readonly status: number;
  /** The answer's headers, with names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** OpenAI's `code`: `rate_limit_exceeded` for a refused call. */
  readonly code?: string;
  /** OpenAI's `type`: what ran out (`requests`, `tokens`), or `server_error`. */
  readonly type?: string;
  /** The body of the answer. */
  readonly error?: unknown;

  /** @param answer what the provider answered; `message` is shown after the status, as the SDK shows it */
  constructor(answer: ErrorAnswer) {
    super(`${answer.status} ${answer.message}`);
    this.status = answer.status;
    this.headers = answer.headers;
    if (answer.code !== undefined) {
      this.code = answer.code;
    }
    if (answer.type !== undefined) {
      this.type = answer.type;
    }
    if (answer.error !== undefined) {
      this.error = answer.error;
    }
  }
}
