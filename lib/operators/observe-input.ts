import { from, isObservable, Observable, type ObservableInput } from 'rxjs';
import { attempt } from '../core/listener';

/** A source of values that can be told to stop. */
interface Puller<T> {
  next(): Promise<IteratorResult<T, unknown>>;
  return?(): unknown;
}

/**
 * Makes an Observable of a call's result. Unlike `from`, it stops an async iterator or a `ReadableStream` as soon as
 * the subscriber leaves, not only after the next value.
 */
export function observeInput<T>(input: ObservableInput<T>): Observable<T> {
  const pull = pullerOf(input);
  return pull ? pulled(pull) : from(input);
}

function pullerOf<T>(input: ObservableInput<T>): (() => Puller<T>) | undefined {
  const isObject = typeof input === 'object' && (input as unknown) !== null;
  if (!isObject || isObservable(input) || 'then' in input) {
    return undefined;
  }
  if ('getReader' in input) {
    return () => readerOf(input as unknown as ReadableStream<T>);
  }
  return Symbol.asyncIterator in input ? () => input[Symbol.asyncIterator]() : undefined;
}

/** Not the stream's iterator, which would wait for the current read before it cancels. */
function readerOf<T>(stream: ReadableStream<T>): Puller<T> {
  const reader = stream.getReader();
  return {
    next: () => reader.read(),
    return: () => reader.cancel(),
  };
}

function pulled<T>(open: () => Puller<T>): Observable<T> {
  return new Observable((subscriber) => {
    const puller = open();
    let isOver = false;
    subscriber.add(() => {
      if (!isOver) {
        // An error now is only a result of the cancellation.
        attempt(() => void Promise.resolve(puller.return?.()).catch(() => undefined));
      }
    });
    const pullAll = async () => {
      for (;;) {
        const { done, value } = await puller.next();
        if (done) {
          isOver = true;
          subscriber.complete();
        } else {
          subscriber.next(value);
        }
        if (subscriber.closed) {
          return;
        }
      }
    };
    pullAll().catch((error: unknown) => {
      isOver = true;
      subscriber.error(error);
    });
  });
}
