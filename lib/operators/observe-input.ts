import { from, isObservable, Observable, type ObservableInput } from 'rxjs';
import { attempt } from '../core/listener';

/** What is asked for one value after the other, and can be told that no more are wanted. */
interface Puller<T> {
  next(): Promise<IteratorResult<T, unknown>>;
  return?(): unknown;
}

/**
 * What a call returned, as an Observable. Unlike `from`, it tells an async iterator and a `ReadableStream` at once when
 * the subscriber leaves, and not only when their next value has come.
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

/** Not the iterator of the stream, which would wait for the value that is being read before it cancels. */
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
        // What it fails with now is but an echo of the leaving.
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
