import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { listenTo, type PromiseListener } from '../../lib/operators/promise-listener';
import { RunningCall, type CallOwner } from '../../lib/operators/running-call';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Writes down how calls end, by their requests. */
class Ends implements CallOwner {
  readonly seen: string[] = [];

  succeeded(call: RunningCall, value: unknown): void {
    this.seen.push(`${String(call.request)} gave ${String(value)}`);
  }

  failed(call: RunningCall, error: unknown): void {
    this.seen.push(`${String(call.request)} failed with ${String(error)}`);
  }

  heard(): void {
    throw new Error('Nothing is reported here.');
  }

  toBeStopped(): void {
    throw new Error('Nothing is stopped here.');
  }
}

let ends: Ends;
let idle: PromiseListener[];
const callOf = (request: string) => new RunningCall(request, 1, 0, 0, 1, 1, undefined, ends);

beforeEach(() => {
  ends = new Ends();
  idle = [];
});

describe('a listener to promises', () => {
  it('tells the owner of the call how its promise ends', async () => {
    listenTo(Promise.resolve('x'), callOf('a'), idle);
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- whatever a call rejects with
    listenTo(Promise.reject('y'), callOf('b'), idle);
    await Promise.resolve();
    expect(ends.seen).toEqual(['a gave x', 'b failed with y']);
  });

  it('is there anew for the next call as soon as one has ended, before anyone hears of the end', async () => {
    const inUse: number[] = [];
    ends.succeeded = (call, value) => {
      inUse.push(idle.length);
      if (call.request === 'a') {
        listenTo(Promise.resolve('y'), callOf('b'), idle);
        inUse.push(idle.length);
      }
      Ends.prototype.succeeded.call(ends, call, value);
    };
    listenTo(Promise.resolve('x'), callOf('a'), idle);
    expect(idle).toEqual([]);
    await Promise.resolve();
    expect(inUse).toEqual([1, 0]);
    expect(idle).toEqual([]);
    await Promise.resolve();
    expect(ends.seen).toEqual(['a gave x', 'b gave y']);
    expect(idle).toHaveLength(1);
  });

  it('never takes the end of one call for that of another that runs at the same time', async () => {
    const answers = new Map<string, (value: string) => void>();
    const open = (request: string) =>
      listenTo(new Promise<string>((resolve) => answers.set(request, resolve)), callOf(request), idle);
    const end = async (request: string) => {
      answers.get(request)!(`answer to ${request}`);
      await Promise.resolve();
    };
    open('a');
    open('b');
    await end('b');
    open('c');
    open('d');
    await end('a');
    await end('d');
    open('e');
    await end('c');
    await end('e');
    expect(ends.seen).toEqual(['b', 'a', 'd', 'c', 'e'].map((one) => `${one} gave answer to ${one}`));
    expect(idle).toHaveLength(3);
    expect(new Set(idle).size).toBe(3);
  });

  it('is not used for a promise that may tell its end twice: the second end is of the same call', async () => {
    const twice = {
      then: (fulfilled: (value: unknown) => void) => {
        fulfilled('x');
        fulfilled('y');
      },
    } as PromiseLike<unknown>;
    listenTo(twice, callOf('a'), idle);
    listenTo(Promise.resolve('z'), callOf('b'), idle);
    await Promise.resolve();
    expect(ends.seen).toEqual(['a gave x', 'a gave y', 'b gave z']);
    expect(idle).toHaveLength(1);
  });

  it('is not used for a promise with a `then` of its own, as those of the OpenAI SDK have', async () => {
    class Parsed extends Promise<string> {
      override then<A = string, B = never>(
        fulfilled?: ((value: string) => A | PromiseLike<A>) | null,
        rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
      ): Promise<A | B> {
        return Promise.resolve('parsed').then(fulfilled, rejected);
      }
    }
    listenTo(new Parsed((resolve) => resolve('raw')), callOf('a'), idle);
    await Promise.resolve();
    expect(ends.seen).toEqual(['a gave parsed']);
    expect(idle).toEqual([]);
  });

  it('is not used for a promise that shows another `then` each time', async () => {
    let reads = 0;
    const twice = (fulfilled: (value: unknown) => void) => {
      fulfilled('x');
      fulfilled('y');
    };
    const changing = Object.defineProperty(Promise.resolve('own'), 'then', {
      // eslint-disable-next-line @typescript-eslint/unbound-method -- as a promise has it
      get: () => (++reads === 1 ? Promise.prototype.then : twice),
    });
    listenTo(changing, callOf('a'), idle);
    listenTo(Promise.resolve('z'), callOf('b'), idle);
    await Promise.resolve();
    expect(ends.seen).toEqual(['a gave own', 'b gave z']);
    expect(reads).toBe(1);
  });

  it('is not used for promises of another realm, which are heard all the same', async () => {
    const foreign = runInNewContext('Promise.resolve("x")') as Promise<string>;
    expect(foreign).not.toBeInstanceOf(Promise);
    listenTo(foreign, callOf('a'), idle);
    await foreign;
    expect(ends.seen).toEqual(['a gave x']);
    expect(idle).toEqual([]);
  });

  it('keeps nothing of a call that has ended', async () => {
    const ended = (() => {
      const call = callOf('a');
      listenTo(Promise.resolve('x'), call, idle);
      return new WeakRef(call);
    })();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(idle).toHaveLength(1);
    expect(ended.deref()).toBeUndefined();
  });

  it('is kept for later calls by the thousand at most', async () => {
    for (let one = 0; one < 1500; one++) {
      listenTo(Promise.resolve('x'), callOf('a'), idle);
    }
    await Promise.resolve();
    expect(ends.seen).toHaveLength(1500);
    expect(idle).toHaveLength(1000);
  });
});
