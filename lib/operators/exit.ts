import type { Subscriber } from 'rxjs';
import type { CallOutcome } from '../core/call';
import { signItem } from '../core/hand-over';
import type { Ticket } from '../core/ticket';
import { chunkOf, itemOf, type Emitted } from './items';
import { Outlet } from './outlet';
import type { RunSettings } from './run-settings';
import { SourceOrder } from './source-order';

/** The end of each request in a run: an outcome, or nothing if no waiter is left. */
export class Exit<R, V> {
  readonly #outlet: Outlet<Emitted<R, V>>;
  readonly #order: SourceOrder<CallOutcome<R, V>> | undefined;
  readonly #itemOf: (ticket: Ticket, outcome: CallOutcome<R, V>) => Emitted<R, V>;
  /** Requests that have not ended yet. */
  #open = 0;
  #isSourceDone = false;
  #lastIndex = 0;

  constructor(
    destination: Subscriber<Emitted<R, V>>,
    { ordered, stream }: Pick<RunSettings<R>, 'ordered' | 'stream'>,
  ) {
    this.#outlet = new Outlet(destination);
    this.#order = ordered ? new SourceOrder((outcome) => this.#outlet.next(outcome)) : undefined;
    this.#itemOf = stream
      ? (ticket, outcome) => itemOf(ticket as Ticket<R>, outcome)
      : (_, outcome) => outcome;
  }

  open(ticket: Ticket): void {
    this.#open++;
    ticket.index = ++this.#lastIndex;
  }

  tell(ticket: Ticket, index: number, chunk: unknown): void {
    const item = chunkOf(ticket as Ticket<R>, index, chunk);
    sign(item, ticket);
    this.#outlet.next(item);
  }

  /** Ends a request, without an outcome if no waiter is left. */
  leave(ticket: Ticket, outcome: CallOutcome<R, V> | undefined): void {
    this.#open--;
    if (outcome) {
      sign(outcome, ticket);
    }
    if (this.#order) {
      this.#order.put(ticket.index, outcome);
    } else if (outcome) {
      this.#outlet.next(this.#itemOf(ticket, outcome));
    }
    this.#completeIfDone();
  }

  complete(): void {
    this.#isSourceDone = true;
    this.#completeIfDone();
  }

  #completeIfDone(): void {
    if (this.#isSourceDone && this.#open === 0 && this.#order?.isEmpty !== false) {
      this.#outlet.complete();
    }
  }
}

/** Records the ticket of an item for a cache in front. */
function sign(item: object, ticket: Ticket): void {
  if (ticket.passedOnBy) {
    signItem(item, ticket);
  }
}
