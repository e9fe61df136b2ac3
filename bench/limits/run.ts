import { seededRandom } from '../../demos/model-server/random';
import { arrivalsOf, arriving, urgentArrivals } from './arrivals';
import type { Client } from './client';
import { figuresOf, type Figures } from './figures';
import { realMilliseconds } from './real-time';
import { signals, type Shape, type SignalsName } from './shape';
import { inVirtualTime, type Patience } from './virtual-time';
import { WatchedProvider } from './watched-provider';

const patience: Patience = { virtual: 6 * 3_600_000, real: 60_000 };

/**
 * One client against one shape. The run is over when the client is done, or all is answered that ever will be.
 * @param urgentAt when CRITICAL requests arrive besides those of the shape, in milliseconds since the start
 */
export async function run(
  client: Client,
  shape: Shape,
  signalsName: SignalsName,
  urgentAt: readonly number[] = [],
): Promise<Figures> {
  const urgent = urgentArrivals(urgentAt);
  const arrivals = arrivalsOf(shape, urgent);
  const realStart = realMilliseconds();
  const random = Math.random;
  Math.random = seededRandom(1);
  try {
    let start = NaN;
    let provider: WatchedProvider | undefined;
    let end = NaN;
    const { value: tally, stopped } = await inVirtualTime(
      async () => {
        start = Date.now();
        const watched = new WatchedProvider(shape, signals[signalsName], undefined, urgent.length);
        provider = watched;
        const done = client.run(arriving(arrivals, watched), watched, shape);
        const first = await (shape.otherReasons?.never ? Promise.race([done, watched.allAnswered()]) : done);
        end = Date.now();
        return first;
      },
      { ...patience, virtual: Math.min(patience.virtual, client.patience ?? Infinity) },
    );
    const watched = provider as unknown as WatchedProvider;
    if (watched.starts === 0) {
      throw new Error(`${client.title} is set up wrongly: it asked nothing of ${shape.name}.`);
    }
    const missing = tally ? arrivals.length - tally.answered - tally.givenUp : 0;
    const course = {
      start,
      end: stopped === undefined ? end : Date.now(),
      stopped: missing === 0 ? stopped : `without a word on ${missing} requests`,
      wall: realMilliseconds(realStart),
    };
    return figuresOf(watched, course, arrivals.length, urgent);
  } finally {
    Math.random = random;
  }
}
