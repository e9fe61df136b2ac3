import type { Ticket } from './ticket';

/**
 * How a ticket gets from one operator to the next although only the request itself travels through the user's
 * pipeline. While a request is being emitted its ticket is `current`, which serves the usual synchronous chain;
 * a request that arrives later (after `delay`, say) is found by identity, or by value where it is a primitive.
 */
let current: Ticket | undefined;

const travellingObjects = new WeakMap<object, Ticket[]>();
const travellingPrimitives = new Map<unknown, Ticket[]>();

/** Requests whose next operator is not one of ours never arrive; so many primitives are remembered at most. */
const mostPrimitives = 1000;
/** Likewise for one object that is emitted again and again. */
const mostOfOneRequest = 1000;

/** Emits a request in such a way that the next operator can take over its ticket. */
export function handOver(ticket: Ticket, emit: () => void): void {
  const outer = current;
  current = ticket;
  ticket.holder = undefined;
  try {
    emit();
  } finally {
    if (current === ticket) {
      remember(ticket);
    }
    current = outer;
  }
}

/**
 * The ticket of a request that comes from another operator; undefined for one that is new here. A ticket that `taker`
 * itself had passed on did not come from another: no operator of ours stood behind, and the request is a new one.
 */
export function takeOver<R>(request: R, taker?: object): Ticket<R> | undefined {
  if (current && Object.is(current.request, request) && !isOwn(current, taker)) {
    const ticket = current as Ticket<R>;
    current = undefined;
    return ticket;
  }
  const tickets = isObject(request) ? travellingObjects.get(request) : travellingPrimitives.get(request);
  while (tickets?.[0]?.isOver) {
    tickets.shift();
  }
  // Its own ones stay: they may be on their way to another operator.
  const index = tickets ? tickets.findIndex((one) => !one.isOver && !isOwn(one, taker)) : -1;
  const ticket = index < 0 ? undefined : tickets!.splice(index, 1)[0];
  if (tickets?.length === 0) {
    if (isObject(request)) {
      travellingObjects.delete(request);
    } else {
      travellingPrimitives.delete(request);
    }
  }
  return ticket as Ticket<R> | undefined;
}

/** Outcomes of requests that came from a cache, so that it knows which of two equal requests one belongs to. */
const ticketsOfOutcomes = new WeakMap<object, Ticket>();

/** Notes whose outcome this is. */
export function signOutcome(outcome: object, ticket: Ticket): void {
  ticketsOfOutcomes.set(outcome, ticket);
}

/** Whose outcome this is; undefined where no operator of ours made it. */
export function ticketOfOutcome(outcome: object): Ticket | undefined {
  return ticketsOfOutcomes.get(outcome);
}

function isOwn(ticket: Ticket, taker: object | undefined): boolean {
  return taker !== undefined && ticket.passedOnBy === taker;
}

function remember(ticket: Ticket): void {
  const { request } = ticket;
  if (isObject(request)) {
    const tickets = travellingObjects.get(request);
    if (!tickets) {
      travellingObjects.set(request, [ticket]);
    } else if (tickets.push(ticket) > mostOfOneRequest) {
      tickets.shift();
    }
    return;
  }
  const tickets = travellingPrimitives.get(request) ?? [];
  tickets.push(ticket);
  if (tickets.length > mostOfOneRequest) {
    tickets.shift();
  }
  travellingPrimitives.delete(request);
  travellingPrimitives.set(request, tickets);
  if (travellingPrimitives.size > mostPrimitives) {
    const [oldest] = travellingPrimitives.keys();
    travellingPrimitives.delete(oldest);
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
