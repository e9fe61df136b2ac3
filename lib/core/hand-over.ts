import type { Ticket } from './ticket';

/**
 * How a ticket gets from one operator to the next, although only the request travels through the user's pipeline. While
 * a request is being emitted, its ticket is `current`; that is enough for a synchronous chain. A request that arrives
 * later (after `delay`, say) is found among the requests sent to the same subscription: by identity, or by value if it
 * is a primitive.
 */
let current: Ticket | undefined;

/** The consumer that is subscribing now. Operators that it subscribes to send requests to it. */
let subscribing: Consumer | undefined;

/** Requests may be filtered out on the way, so the number of expected tickets is bounded. */
const mostExpected = 10_000;

/** One subscription of an operator that takes over tickets. */
export class Consumer {
  readonly #expected = new Map<unknown, Ticket[]>();
  #count = 0;

  /** Subscribes to the source and makes this consumer known to operators further up. */
  subscribe(subscribe: () => void): void {
    const outer = nowSubscribing(this);
    try {
      subscribe();
    } finally {
      nowSubscribing(outer);
    }
  }

  /** Hides the subscribing consumer from pipelines that are made until `resume` is called. */
  static suspend(): Consumer | undefined {
    return nowSubscribing(undefined);
  }

  static resume(outer: Consumer | undefined): void {
    subscribing = outer;
  }

  static current(): Consumer | undefined {
    return subscribing;
  }

  expect(ticket: Ticket): void {
    const { request } = ticket;
    const tickets = this.#expected.get(request);
    if (tickets) {
      tickets.push(ticket);
    } else {
      this.#expected.set(request, [ticket]);
    }
    if (++this.#count > mostExpected) {
      const [oldest] = this.#expected;
      this.#take(oldest![0], 0);
    }
  }

  /**
   * The ticket of a request that comes from another operator; undefined for a new request. A ticket that `taker` itself
   * passed on is not taken over: user code sent the same request again, in reaction.
   */
  takeOver<R>(request: R, taker?: object): Ticket<R> | undefined {
    if (current && Object.is(current.request, request) && !isOwn(current, taker)) {
      const ticket = current as Ticket<R>;
      current = undefined;
      return ticket;
    }
    return this.#count > 0 ? (this.#takeExpected(request, taker) as Ticket<R> | undefined) : undefined;
  }

  #takeExpected(request: unknown, taker: object | undefined): Ticket | undefined {
    const tickets = this.#expected.get(request);
    const index = tickets ? tickets.findIndex((one) => !one.isOver && !isOwn(one, taker)) : -1;
    return index < 0 ? undefined : this.#take(request, index);
  }

  /** A ticket for a copy of the request that is being emitted. A user's operator, such as `map`, made the copy. */
  takeOverCopied<R>(copy: R): Ticket<R> | undefined {
    const outer = current;
    if (!outer || !isCopy(outer.request, copy)) {
      return undefined;
    }
    current = undefined;
    const ticket = outer.derive(copy);
    ticket.cancelled = outer.cancelled;
    ticket.settledReportedTo = outer.settledReportedTo;
    outer.holder = { cancelled: () => ticket.cancel(), raised: () => ticket.raise(outer.rank) };
    return ticket;
  }

  #take(request: unknown, index: number): Ticket {
    const tickets = this.#expected.get(request)!;
    const [ticket] = tickets.splice(index, 1);
    this.#count--;
    if (tickets.length === 0) {
      this.#expected.delete(request);
    }
    return ticket!;
  }
}

/** Sets the subscribing consumer and returns the previous one. */
function nowSubscribing(consumer: Consumer | undefined): Consumer | undefined {
  const before = subscribing;
  subscribing = consumer;
  return before;
}

/** Emits a request so that the next operator, `consumer` if it is known, can take over its ticket. */
export function handOver<R>(
  ticket: Ticket<R>,
  consumer: Consumer | undefined,
  destination: { next(request: R): void },
): void {
  const outer = current;
  current = ticket;
  ticket.holder = undefined;
  ticket.onStep?.();
  try {
    destination.next(ticket.request);
  } finally {
    if (current === ticket) {
      consumer?.expect(ticket);
    }
    current = outer;
  }
}

/** The ticket of each outcome and chunk, so that equal requests get their own. */
const ticketsOfItems = new WeakMap<object, Ticket>();

/** Records that an outcome or a chunk belongs to the request of a ticket. */
export function signItem(item: object, ticket: Ticket): void {
  ticketsOfItems.set(item, ticket);
}

/** The ticket that an outcome or a chunk belongs to; undefined if no operator of rxllm made it. */
export function ticketOfItem(item: object): Ticket | undefined {
  return ticketsOfItems.get(item);
}

function isCopy(request: unknown, copy: unknown): boolean {
  if (typeof request !== 'object' || request === null || typeof copy !== 'object' || copy === null) {
    return false;
  }
  const fields = Object.keys(request) as (keyof typeof request)[];
  return fields.length > 0 && fields.every((field) => Object.is(copy[field], request[field]));
}

function isOwn(ticket: Ticket, taker: object | undefined): boolean {
  return taker !== undefined && ticket.isPassedOnBy(taker);
}
