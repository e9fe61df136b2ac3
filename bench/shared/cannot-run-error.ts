/** The bench cannot go on; the message says why in one sentence without its full stop. */
export class CannotRunError extends Error {
  override readonly name = 'CannotRunError';
}
