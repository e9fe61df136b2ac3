import type { Ticket } from './ticket';

const links = {
  lane: { previous: 'previousInLane', next: 'nextInLane' },
  pool: { previous: 'previousInPool', next: 'nextInPool' },
} as const;

/** A linked list of tickets. A ticket can leave from anywhere, and is in one list of a kind at a time. */
export class TicketList {
  first: Ticket | undefined;
  #last: Ticket | undefined;
  readonly #links: (typeof links)[keyof typeof links];

  constructor(kind: keyof typeof links) {
    this.#links = links[kind];
  }

  push(ticket: Ticket): void {
    this.#link(this.#last, ticket);
    this.#link(ticket, undefined);
  }

  unshift(ticket: Ticket): void {
    this.#link(ticket, this.first);
    this.#link(undefined, ticket);
  }

  remove(ticket: Ticket): void {
    const { previous, next } = this.#links;
    this.#link(ticket[previous], ticket[next]);
    ticket[previous] = undefined;
    ticket[next] = undefined;
  }

  /** The tickets in order. The ticket returned last may be removed during iteration. */
  *[Symbol.iterator](): Iterator<Ticket> {
    for (let ticket = this.first; ticket;) {
      const next: Ticket | undefined = ticket[this.#links.next];
      yield ticket;
      ticket = next;
    }
  }

  /** Makes two tickets neighbours; undefined stands for the end of the list. */
  #link(before: Ticket | undefined, after: Ticket | undefined): void {
    if (before) {
      before[this.#links.next] = after;
    } else {
      this.first = after;
    }
    if (after) {
      after[this.#links.previous] = before;
    } else {
      this.#last = before;
    }
  }
}
