/** An answer that is an error, in OpenAI's form: an HTTP status and `{ error: { message, type, param, code } }`. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    /** The HTTP status. */
    readonly status: number,
    message: string,
    /** OpenAI's `type`. */
    readonly type: string,
    /** OpenAI's `code`. */
    readonly code: string | null = null,
    /** The parameter at fault, if one is. */
    readonly parameter: string | null = null,
    /** Headers that the answer carries besides the usual ones. */
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }

  /** The body of the answer. */
  body(): unknown {
    return { error: { message: this.message, type: this.type, param: this.parameter, code: this.code } };
  }
}

/** A 400 that says what is wrong with the request. */
export function invalidRequest(
  message: string,
  parameter: string | null = null,
  code: string | null = null,
): ApiError {
  return new ApiError(400, message, 'invalid_request_error', code, parameter);
}
