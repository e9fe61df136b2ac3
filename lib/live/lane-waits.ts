import type { CallEvent } from 'rxllm';
import type { LiveLane } from './live-state';

type Lane = { -readonly [Field in keyof LiveLane]: LiveLane[Field] };

/** Counts waiting requests by lane, for the first lanes that come; all others are `other`. */
export class LaneWaits {
  readonly #lanes = new Map<string, Lane>();
  /** The lanes of requests that wait for their first start. */
  readonly #waiting = new Map<number, Lane>();

  constructor(private readonly most: number) {}

  get lanes(): LiveLane[] {
    return [...this.#lanes.values()].map((lane) => ({ ...lane }));
  }

  next(event: CallEvent): void {
    if (event.type === 'received' && event.lane !== undefined && this.most > 0) {
      const name = this.#lanes.has(event.lane) || this.#lanes.size < this.most ? event.lane : 'other';
      const lane = this.#lanes.get(name) ?? { lane: name, waiting: 0, started: 0, meanWait: 0 };
      lane.waiting++;
      this.#lanes.set(name, lane);
      this.#waiting.set(event.id, lane);
    } else if (event.type === 'started' || event.type === 'settled' || event.type === 'left') {
      const lane = this.#waiting.get(event.id);
      if (lane) {
        this.#waiting.delete(event.id);
        lane.waiting--;
        if (event.type === 'started') {
          lane.meanWait += (event.waited - lane.meanWait) / ++lane.started;
        }
      }
    }
  }
}
