import type { Subscriber } from 'rxjs';
import type { CacheEngine } from '../cache/cache-engine';
import { KeptFailure, type CacheEntry } from '../cache/cache-entry';
import type { Flight } from '../cache/flights';
import type { CallOutcome } from '../core/call';
import type { CallEventListener } from '../core/events';
import { Consumer, signItem } from '../core/hand-over';
import type { StreamedAnswer } from '../core/stream';
import { Ticket } from '../core/ticket';
import type { CallTraits } from '../core/traits';
import { engineOf, type CacheRunSettings } from './cache-run-settings';
import { CacheWaiter, type WaiterOwner } from './cache-waiter';
import { hit, left, reportReceived, settled } from './call-events';
import { chunkOf, itemOf, type Emitted } from './items';
import { Misses } from './misses';
import { Outlet } from './outlet';
import { cachedOutcome, failed, sharedOutcome, unwanted, withoutChunks, withPartial } from './outcomes';
import { SourceOrder } from './source-order';

/** One subscription of `cacheLLM`: answers requests from the cache, lets them share calls, and sends the rest on. */
export class CacheRun<R, V> implements WaiterOwner<R, V> {
  readonly consumer = new Consumer();
  isClosed = false;
  /** Answers the requests that memory cannot answer. */
  readonly misses: Misses<R, V>;
  readonly #settings: CacheRunSettings<R, V>;
  readonly #engine: CacheEngine | undefined;
  readonly #outlet: Outlet<Emitted<R, V>>;
  readonly #order: SourceOrder<CallOutcome<R, V>> | undefined;
  readonly #waiters = new Set<CacheWaiter<R, V>>();
  /** Requests whose outcome was not emitted yet; listeners may receive it before that. */
  #open = 0;
  #isSourceDone = false;
  /** Fails all later requests. */
  #refusal: { readonly error: unknown } | undefined;
  #lastIndex = 0;

  constructor(settings: CacheRunSettings<R, V>, destination: Subscriber<Emitted<R, V>>) {
    this.#settings = settings;
    this.#engine = engineOf(settings);
    this.#outlet = new Outlet(destination);
    this.misses = new Misses(settings, this);
    this.#order = settings.ordered ? new SourceOrder((outcome) => this.#emit(outcome)) : undefined;
  }

  get events(): CallEventListener | undefined {
    return this.#settings.events;
  }

  /**
   * Opens the pipeline for misses before any request arrives.
   *
   * @throws the error of `misses`
   */
  open(): void {
    this.misses.open();
  }

  next(request: R): void {
    const { cache, clock, traits: traitsOf, isList } = this.#settings;
    const outer = this.consumer.takeOver(request, cache);
    if (outer?.cancelled && !isList) {
      return;
    }
    const traits = traitsOf(request);
    const identity = this.#engine && this.#settings.keys.of(request, traits);
    const key = identity?.key;
    const now = clock.now();
    const isLookUp = key !== undefined && !traits.bypass?.lookUp && !this.#refusal;
    const date = this.#date;
    const entry = isLookUp ? this.#engine!.find(key, traits, date) : undefined;
    if (this.#outlet.isClosed) {
      // User code (traits, clone, a getter) unsubscribed.
      return;
    }
    const waiter = this.#waiterOf(request, traits, now, outer);
    if (!this.isWaiting(waiter)) {
      return;
    }
    const refusal = outer?.cancelled ? { error: unwanted() } : this.#refusal;
    if (refusal) {
      this.settle(waiter, failed(waiter.ticket, request, refusal.error, clock), now);
    } else if (entry) {
      this.#answer(waiter, key!, entry, 'memory', date);
    } else if (key !== undefined) {
      waiter.leftOut = identity?.leftOut;
      this.misses.answer(waiter, key, now);
    } else {
      if (identity) {
        this.events?.next({ type: 'cache-bypassed', at: now, id: waiter.ticket.id, ...identity });
      }
      if (this.isWaiting(waiter)) {
        this.misses.pass(waiter);
      }
    }
  }

  /** Gives a waiter the answer that the store, or by now memory, holds. */
  found(waiter: CacheWaiter<R, V>, key: string, entry: CacheEntry, tier: 'memory' | 'store'): void {
    if (this.isWaiting(waiter)) {
      const date = this.#date;
      this.#engine!.usage.countHit(entry, date);
      this.#answer(waiter, key, entry, tier, date);
    }
  }

  /** The store does not hold the answer for a waiter. */
  missed(waiter: CacheWaiter<R, V>, joined: boolean): void {
    if (this.isWaiting(waiter)) {
      this.misses.report(waiter, waiter.flight!.key!, joined, this.#settings.clock.now());
    }
  }

  giveChunks(
    waiter: CacheWaiter<R, V>,
    chunks: readonly unknown[] | undefined,
    flight: Flight<R, V> | undefined,
  ): void {
    while (chunks && waiter.chunksTaken < chunks.length && this.isWaiting(waiter)) {
      const index = waiter.chunksTaken++;
      const chunk =
        flight?.key === undefined ? chunks[index] : this.#engine!.share(chunks[index], waiter.request);
      this.#outlet.next(chunkOf(waiter.ticket, index, chunk));
    }
  }

  /** Whether a waiter still has no outcome. Checked after user code ran. */
  isWaiting(waiter: CacheWaiter<R, V>): boolean {
    return this.#waiters.has(waiter);
  }

  /** Whether no further calls are made, because requests are refused or the subscriber has left. */
  get hasEnded(): boolean {
    return this.#refusal !== undefined || this.#outlet.isClosed;
  }

  /**
   * Emits the outcome of a waiter.
   *
   * @param flight the flight that the outcome comes from; undefined if it is only for this request
   * @param failure the error of the call if an expired answer replaces it
   */
  settle(
    waiter: CacheWaiter<R, V>,
    landed: CallOutcome<R, V>,
    now: number,
    flight?: Flight<R, V>,
    failure?: unknown,
  ): void {
    const { stream } = this.#settings;
    if (stream && landed.ok) {
      this.giveChunks(waiter, (landed.value as StreamedAnswer).chunks, flight);
    }
    if (!this.#release(waiter)) {
      return;
    }
    const { ticket, request } = waiter;
    const { outer } = ticket;
    const shared = flight && flight.starter !== waiter ? flight : undefined;
    let outcome = landed.request === request ? landed : { ...landed, request };
    if (shared) {
      const share = (value: V) => this.#engine!.share(value, shared.request);
      outcome = sharedOutcome(outcome, ticket, shared.ticket, share);
    }
    if (stream) {
      outcome = withoutChunks(outcome);
    }
    this.misses.completeIfDone();
    if (this.events && outer?.settledReportedTo !== this.events) {
      this.events.next(settled(ticket.id, outcome, now, shared?.ticket.used, failure));
    }
    this.#settings.told?.(outcome);
    if (outer?.passedOnBy) {
      signItem(outcome, outer);
    }
    if (this.#order) {
      this.#order.put(waiter.index, outcome);
    } else {
      this.#emit(stream ? itemOf(ticket, outcome) : outcome);
    }
    this.#open--;
    this.#completeIfDone();
  }

  complete(): void {
    this.#isSourceDone = true;
    this.misses.complete();
    this.#completeIfDone();
  }

  /** Fails all open requests and ends the stream. */
  closeWith(error: unknown): void {
    this.isClosed = true;
    this.failWith(error);
    this.refuse(error);
  }

  /** Fails all later requests, and ends the stream when the open ones have their outcomes. */
  refuse(error: unknown): void {
    this.#refusal = { error };
    if (!this.#settings.isList) {
      this.complete();
    }
  }

  /** Fails all open and later requests. */
  failWith(error: unknown): void {
    this.#refusal = { error };
    for (const waiter of this.#waiters) {
      this.#giveUp(waiter, error);
    }
    this.misses.restartUnstarted();
  }

  close(): void {
    for (const waiter of this.#waiters) {
      this.#release(waiter);
      this.#reportLeft(waiter);
      this.misses.leaveFlight(waiter);
    }
    this.misses.leave();
    if (this.#settings.isOwnCache) {
      this.#engine?.close();
    }
  }

  #waiterOf(request: R, traits: CallTraits, now: number, outer: Ticket<R> | undefined): CacheWaiter<R, V> {
    const ticket = outer?.derive(request) ?? new Ticket(request, now);
    ticket.apply(traits, this.#settings.maxWait);
    const waiter = new CacheWaiter<R, V>(ticket, ++this.#lastIndex, traits, this);
    if (outer) {
      outer.holder = {
        cancelled: () => this.#cancelled(waiter),
        raised: () => {
          ticket.raise(outer.rank);
          waiter.flight?.ticket.raise(outer.rank);
        },
      };
    }
    this.#waiters.add(waiter);
    this.#open++;
    reportReceived(ticket, traits, this.events, now);
    return waiter;
  }

  /** The date, for comparison with the times of answers. Unlike the clock for waits, it may be set. */
  get #date(): number {
    return (this.#engine ?? this.#settings).clock.date();
  }

  #answer(
    waiter: CacheWaiter<R, V>,
    key: string,
    entry: CacheEntry,
    tier: 'memory' | 'store',
    date: number,
  ): void {
    const { request, ticket } = waiter;
    const now = this.#settings.clock.now();
    this.events?.next(hit(ticket, key, entry, tier, now, date));
    if (tier === 'memory' && date >= entry.freshUntil && !(entry.value instanceof KeptFailure)) {
      this.misses.renew(waiter, key);
    }
    this.#replay(waiter, cachedOutcome<R, V>(request, entry, date, now - ticket.arrivedAt), now);
  }

  /** Gives a waiter a kept answer, with its chunks as `replay` says. */
  #replay(waiter: CacheWaiter<R, V>, outcome: CallOutcome<R, V>, now: number): void {
    const { clock, stream } = this.#settings;
    if (!stream || !outcome.ok || stream.replay === 'chunks') {
      this.settle(waiter, outcome, now);
      return;
    }
    const { chunks } = outcome.value as StreamedAnswer;
    if (stream.replay === 'whole') {
      waiter.chunksTaken = chunks.length;
      this.settle(waiter, outcome, now);
      return;
    }
    const { chunkDelay } = stream.replay;
    const next = () => {
      this.giveChunks(waiter, chunks.slice(0, waiter.chunksTaken + 1), undefined);
      if (waiter.chunksTaken >= chunks.length) {
        this.settle(waiter, outcome, clock.now());
      } else if (this.isWaiting(waiter)) {
        waiter.stopTimer = clock.schedule(chunkDelay, next);
      }
    };
    next();
  }

  #giveUp(waiter: CacheWaiter<R, V>, error: unknown): void {
    const { clock, stream } = this.#settings;
    const chunks = waiter.flight?.chunks?.slice(0, waiter.chunksTaken);
    this.misses.leaveFlight(waiter);
    const failure = failed(waiter.ticket, waiter.request, error, clock);
    this.settle(waiter, withPartial<R, V>(failure, chunks, stream), clock.now());
  }

  /** A cache in front has no waiter left for this request. */
  #cancelled(waiter: CacheWaiter<R, V>): void {
    if (this.#settings.isList && this.isWaiting(waiter)) {
      this.#giveUp(waiter, unwanted());
      return;
    }
    if (!this.#release(waiter)) {
      return;
    }
    this.#reportLeft(waiter);
    this.misses.leaveFlight(waiter);
    this.#order?.put(waiter.index, undefined);
    this.misses.completeIfDone();
    this.#open--;
    this.#completeIfDone();
  }

  /** Forgets a waiter; returns false if it was already forgotten. */
  #release(waiter: CacheWaiter<R, V>): boolean {
    this.misses.forget(waiter);
    return this.#waiters.delete(waiter);
  }

  #emit(item: Emitted<R, V>): void {
    if (this.#refusal) {
      this.#outlet.nextAfter(item);
    } else {
      this.#outlet.next(item);
    }
  }

  #completeIfDone(): void {
    if (this.#isSourceDone && this.#open === 0 && this.#order?.isEmpty !== false) {
      this.#outlet.complete();
    }
  }

  #reportLeft({ ticket }: CacheWaiter<R, V>): void {
    if (this.events && ticket.outer?.settledReportedTo !== this.events) {
      this.events.next(left(ticket, this.#settings.clock.now()));
    }
  }
}
