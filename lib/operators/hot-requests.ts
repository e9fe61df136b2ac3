import { Observable, type Subscriber } from 'rxjs';

/** The requests of a pipeline for misses: a Subject that costs next to nothing for its usual one subscriber. */
export class HotRequests<R> {
  /** Replaced rather than changed, as a subscriber may come or leave while a request is being emitted. */
  #subscribers: readonly Subscriber<R>[] = [];
  #isComplete = false;

  /** @param subscribed told of each subscription, before it can be given anything */
  asObservable(subscribed: () => void): Observable<R> {
    return new Observable((subscriber) => {
      subscribed();
      if (this.#isComplete) {
        subscriber.complete();
        return;
      }
      this.#subscribers = [...this.#subscribers, subscriber];
      subscriber.add(() => {
        this.#subscribers = this.#subscribers.filter((one) => one !== subscriber);
      });
    });
  }

  next(request: R): void {
    for (const subscriber of this.#subscribers) {
      subscriber.next(request);
    }
  }

  complete(): void {
    this.#isComplete = true;
    for (const subscriber of this.#subscribers) {
      subscriber.complete();
    }
  }
}
