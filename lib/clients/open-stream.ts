import type { Observable } from 'rxjs';
import { NoAnswerError } from '../core/errors';

/** A stream that has begun: its first chunk, and a stream of all. */
export interface OpenStream<C, P> {
  readonly first: C;
  readonly pieces: ReadableStream<P>;
}

/**
 * Waits for the first chunk, and hands all out as a stream. A reader that cancels the stream leaves the Observable, unless
 * the last chunk has come: SDKs cancel also what they have read whole, and then the answer is to be kept.
 *
 * @param toPiece what the stream holds for a chunk
 */
export function openStream<C extends { readonly isLast?: boolean }, P>(
  chunks$: Observable<C>,
  toPiece: (chunk: C) => P,
): Promise<OpenStream<C, P>> {
  return new Promise((resolve, reject) => {
    let controller: ReadableStreamDefaultController<P> | undefined;
    let isOver = false;
    let isCancelled = false;
    const reading = chunks$.subscribe({
      next: (chunk) => {
        if (!controller) {
          const pieces = new ReadableStream<P>({
            start: (own) => void (controller = own),
            cancel: () => {
              isCancelled = true;
              if (!isOver) {
                reading.unsubscribe();
              }
            },
          });
          resolve({ first: chunk, pieces });
        }
        isOver ||= chunk.isLast === true;
        if (!isCancelled) {
          controller!.enqueue(toPiece(chunk));
        }
      },
      error: (error: unknown) => {
        if (controller) {
          controller.error(error);
        } else {
          // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as the call failed
          reject(error);
        }
      },
      complete: () => {
        if (!controller) {
          reject(new NoAnswerError('an empty body'));
        } else if (!isCancelled) {
          controller.close();
        }
      },
    });
  });
}
