import { Receipt } from '../../lib/limiter/budgets';
import { Receipts } from '../../lib/limiter/receipts';
import { noTokens } from '../../lib/limiter/token-estimate';

const receiptOf = (number: number) => new Receipt(number, noTokens, 0, true);

describe('Receipts', () => {
  it('keep the latest receipt of each call until it is over', () => {
    const receipts = new Receipts();
    receipts.set(7, receiptOf(1));
    receipts.set(8, receiptOf(2));
    receipts.set(7, receiptOf(3));
    expect([receipts.get(7)?.number, receipts.get(8)?.number, receipts.size]).toEqual([3, 2, 2]);
    receipts.delete(7);
    receipts.delete(9);
    expect([receipts.get(7), receipts.get(8)?.number, receipts.size]).toEqual([undefined, 2, 1]);
  });

  it('forget the oldest of a hundred thousand whose end was never heard of', () => {
    const receipts = new Receipts();
    const most = 100_000;
    for (let id = 1; id <= most; id++) {
      receipts.set(id, receiptOf(id));
    }
    // It begins anew, so it is not the oldest any more.
    receipts.set(1, receiptOf(1));
    for (let id = most + 1; id <= most + 500; id++) {
      receipts.set(id, receiptOf(id));
    }
    expect(receipts.size).toBe(most);
    expect([receipts.get(501), receipts.get(1)?.number, receipts.get(502)?.number]).toEqual([
      undefined,
      1,
      502,
    ]);
    expect(receipts.get(most + 500)?.number).toBe(most + 500);
  });
});
