import { missedBounds, mostStartsBefore, refusals } from '../../bench/limits/bounds';
import { rxllm } from '../../bench/limits/clients/rxllm';
import { oracleOf } from '../../bench/limits/oracle';
import { signals, type Shape, type SignalsName } from '../../bench/limits/shape';
import { streamRun } from '../../bench/limits/stream-run';

/** What a run that misses the bounds keeps instead: they are aims, and these runs must not get worse. */
const notYet: Readonly<Record<string, { readonly ratio: number; readonly refusals: number }>> = {
  'batch-3000 retry-after': { ratio: 1.25, refusals: 3 },
  'batch-3000 bare': { ratio: 1.2, refusals: 4 },
  'tokens retry-after': { ratio: 1.1, refusals: 10 },
  'tokens bare': { ratio: 1.1, refusals: 10 },
  'fall bare': { ratio: 1.1, refusals: 6 },
  'fixed-windows bare': { ratio: 1.1, refusals: 4 },
  'minute-deep bare': { ratio: 1.1, refusals: 5 },
  'hidden-second headers': { ratio: 1.1, refusals: 4 },
  'neighbour retry-after': { ratio: 1.1, refusals: 6 },
  'neighbour bare': { ratio: 1.1, refusals: 6 },
};

/** Asks of an optimizer without any settings that it keeps the bounds of these shapes. */
export function describeShapes(shapes: readonly Shape[]): void {
  const cases = shapes
    .filter(({ otherReasons }) => !otherReasons)
    .flatMap((shape) =>
      (Object.keys(signals) as SignalsName[]).map((signalsName) => ({
        title: shape.title,
        name: shape.name,
        signalsName,
        shape,
      })),
    );

  describe('an optimizer that knows nothing of the limits', () => {
    it.each(cases)(
      'has every request answered in time and is hardly ever refused: $title ($signalsName)',
      ({ shape, name, signalsName }) => {
        const figures = streamRun(rxllm, shape, signals[signalsName]);
        const known = notYet[`${name} ${signalsName}`];
        if (known) {
          expect(figures.answered).toBe(shape.requests.length);
          expect(figures.finished / oracleOf(shape).finished).toBeLessThanOrEqual(known.ratio);
          expect(refusals(figures)).toBeLessThanOrEqual(known.refusals);
        } else {
          expect(figures.answered).toBe(shape.requests.length);
          expect(missedBounds(figures, oracleOf(shape), signalsName)).toEqual([]);
        }
      },
    );

    it.each(cases.filter(({ shape }) => !shape.arrivals))(
      'lets CRITICAL overtake the backlog, early and late: $title ($signalsName)',
      ({ shape, signalsName }) => {
        const { finished } = oracleOf(shape);
        const figures = streamRun(rxllm, shape, signals[signalsName], {
          urgentAt: [0.1 * finished, 0.6 * finished],
        });
        expect(figures.answered).toBe(shape.requests.length + 2);
        expect(Math.max(...figures.startsBefore.map((starts) => starts ?? NaN))).toBeLessThanOrEqual(
          mostStartsBefore,
        );
      },
    );
  });
}
