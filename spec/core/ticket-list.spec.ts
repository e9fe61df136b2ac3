import { Ticket } from '../../lib/core/ticket';
import { TicketList } from '../../lib/core/ticket-list';

describe('TicketList', () => {
  const listOf = (...requests: string[]) => {
    const list = new TicketList('lane');
    const tickets = requests.map((request) => new Ticket<unknown>(request, 0));
    tickets.forEach((ticket) => list.push(ticket));
    return { list, tickets };
  };
  const requestsOf = (list: TicketList) => [...list].map(({ request }) => request);

  it('keeps the order, with those that are put in front first', () => {
    const { list } = listOf('a', 'b');
    list.unshift(new Ticket<unknown>('c', 0));
    list.push(new Ticket<unknown>('d', 0));
    expect(requestsOf(list)).toEqual(['c', 'a', 'b', 'd']);
    expect(list.first?.request).toBe('c');
  });

  it('lets tickets leave from anywhere, and come back', () => {
    const { list, tickets } = listOf('a', 'b', 'c');
    list.remove(tickets[1]!);
    expect(requestsOf(list)).toEqual(['a', 'c']);
    list.remove(tickets[0]!);
    list.remove(tickets[2]!);
    expect(list.first).toBeUndefined();
    list.push(tickets[1]!);
    expect(requestsOf(list)).toEqual(['b']);
  });

  it('can be walked through while tickets leave', () => {
    const { list } = listOf('a', 'b', 'c');
    for (const ticket of list) {
      list.remove(ticket);
    }
    expect(requestsOf(list)).toEqual([]);
  });

  it('may hold a ticket that stands in a list of another kind', () => {
    const { list, tickets } = listOf('a', 'b');
    const pool = new TicketList('pool');
    pool.push(tickets[1]!);
    pool.push(tickets[0]!);
    list.remove(tickets[1]!);
    expect([requestsOf(list), requestsOf(pool)]).toEqual([['a'], ['b', 'a']]);
  });
});
