import { missedBounds, mostStartsBefore } from '../../bench/limits/bounds';
import { rxllm } from '../../bench/limits/clients/rxllm';
import { oracleOf } from '../../bench/limits/oracle';
import { signals, type SignalsName } from '../../bench/limits/shape';
import { shapes } from '../../bench/limits/shapes';
import { streamRun } from '../../bench/limits/stream-run';

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
    ({ shape, signalsName }) => {
      const figures = streamRun(rxllm, shape, signals[signalsName]);
      expect(figures.answered).toBe(shape.requests.length);
      expect(missedBounds(figures, oracleOf(shape), signalsName)).toEqual([]);
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
