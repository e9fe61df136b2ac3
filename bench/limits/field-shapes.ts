import { batchShape, pacedLimit, told } from './batches';
import type { FieldBound, OtherReasons, Shape, SignalsName } from './shape';

/** What sets a shape of the field apart from another. */
interface FieldShape {
  readonly name: string;
  readonly title: string;
  readonly size: number;
  /** Requests a minute that the provider takes. Default: as many as come. */
  readonly requestsPerMinute?: number;
  /** Arrivals a second. Default: all at once. */
  readonly rate?: number;
  readonly otherReasons: OtherReasons;
  readonly signals: SignalsName;
  readonly bound: FieldBound;
  /** Milliseconds of every answer, where it is not the latency of the other shapes. */
  readonly answerTime?: number;
}

/** A rival that is refused at random needs no time to find out why; rxllm may take a tenth longer to do so. */
const ofBestRival = 1.1;
/** The longest that 95 of 100 requests may wait where load is shed, in milliseconds: a user still waits for it. */
const waitP95 = 12_000;

function fieldShape(field: FieldShape): Shape {
  const { name, title, size, requestsPerMinute, rate, otherReasons, signals, bound, answerTime } = field;
  return {
    ...batchShape(
      name,
      title,
      size,
      requestsPerMinute === undefined ? [] : [pacedLimit(requestsPerMinute)],
      requestsPerMinute === undefined ? undefined : told(requestsPerMinute, 'continuous', 1_000),
      answerTime === undefined ? {} : { latency: { base: answerTime, perOutputToken: 0, refusal: 100 } },
    ),
    ...(rate !== undefined && {
      arrivals: Array.from({ length: size }, (_, index) => (index * 1_000) / rate),
    }),
    otherReasons,
    signals: [signals],
    bound,
  };
}

/** Of each hundred requests the fiftieth is refused whenever it comes. */
function oneBadInHundred(): Shape {
  const shape = fieldShape({
    name: 'one-bad-in-100',
    title: '360 requests, 3 a second, no limit; one in a hundred is always refused',
    size: 360,
    rate: 3,
    otherReasons: {},
    signals: 'bare',
    bound: { finished: 138_000, ofBestRival, waitP95: 3_000 },
  });
  const never = shape.requests.filter((_, index) => index % 100 === 50).map(({ prompt }) => prompt);
  return { ...shape, otherReasons: { never: new Set(never) } };
}

/** Providers that refuse for other reasons than that we are too fast, as shared pools, plans and gateways do. */
export const fieldShapes: readonly Shape[] = [
  fieldShape({
    name: 'shed-5-told',
    title: '2,000 requests at 1,200 a minute; 5 % of all calls are shed',
    size: 2_000,
    requestsPerMinute: 1_200,
    otherReasons: { shedding: { share: () => 0.05 } },
    signals: 'headers',
    bound: { finished: 111_000, ofBestRival },
  }),
  fieldShape({
    name: 'shed-20-bare',
    title: '1,000 requests at 1,200 a minute; 20 % of all calls are shed',
    size: 1_000,
    requestsPerMinute: 1_200,
    otherReasons: { shedding: { share: () => 0.2 } },
    signals: 'bare',
    bound: { finished: 60_000 },
  }),
  fieldShape({
    name: 'shed-20-steady',
    title: '600 requests, 5 a second, no limit; 20 % of all calls are shed',
    size: 600,
    rate: 5,
    otherReasons: { shedding: { share: () => 0.2 } },
    signals: 'bare',
    bound: { finished: 132_000, ofBestRival, waitP95 },
  }),
  fieldShape({
    name: 'shed-50-hint',
    title: '600 requests, 5 a second, no limit; half of all calls are shed and told to come back in 1 s',
    size: 600,
    rate: 5,
    otherReasons: { shedding: { share: () => 0.5, retryAfter: 1_000 } },
    signals: 'retry-after',
    bound: { finished: 130_000, waitP95 },
  }),
  fieldShape({
    name: 'shed-70-bursts',
    title: '1,200 requests, 5 a second, no limit; 70 % are shed in 20 s of each minute, 2 % else',
    size: 1_200,
    rate: 5,
    otherReasons: { shedding: { share: inBursts(0.7, 0.02) } },
    signals: 'bare',
    bound: { finished: 268_000, ofBestRival, waitP95 },
  }),
  oneBadInHundred(),
  fieldShape({
    name: 'cap-10-short',
    title: '1,000 requests of 0.9 s, at most 10 at once',
    size: 1_000,
    otherReasons: { atOnce: 10 },
    signals: 'bare',
    bound: { finished: 104_000 },
    answerTime: 900,
  }),
  fieldShape({
    name: 'cap-10-long',
    title: '300 requests of 12 s, at most 10 at once',
    size: 300,
    otherReasons: { atOnce: 10 },
    signals: 'bare',
    bound: { finished: 436_000 },
    answerTime: 12_000,
  }),
];

/** A share that is `high` in the second third of each minute, and `low` in the others. */
export function inBursts(high: number, low: number): (at: number) => number {
  return (at) => (at % 60_000 >= 20_000 && at % 60_000 < 40_000 ? high : low);
}
