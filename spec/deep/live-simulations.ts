import { interval, map, mergeMap, range, take, type Observable, type SchedulerLike } from 'rxjs';
import { LLMCallOptimizer, type CallContext, type CallPriority, type OptimizerConfig } from '../../lib/index';
import { SimulatedProvider, type SimulatedProviderConfig } from '../../lib/testing';
import { HeapScheduler } from '../heap-scheduler';

/** A moment of a working day, so that the axes show times of day. */
const morning = Date.UTC(2026, 10, 27, 9, 30);

interface Request {
  readonly prompt: string;
  readonly priority: CallPriority;
  readonly lane: string;
}

const priorities: readonly CallPriority[] = [
  'low',
  'medium',
  'medium',
  'medium',
  'high',
  'medium',
  'critical',
];

function requestOf(number: number): Request {
  return {
    prompt: `What does story ${number % 5 === 0 ? 'of the day' : number} mean?`,
    priority: priorities[number % priorities.length]!,
    lane: `desk ${(number % 3) + 1}`,
  };
}

interface Simulation {
  readonly provider: SimulatedProviderConfig<Request>;
  readonly config?: OptimizerConfig;
  /** Requests, and when they come, in milliseconds. */
  readonly requests: (scheduler: SchedulerLike) => Observable<number>;
  /** When one looks, in milliseconds. */
  readonly until: number;
}

const steadily = (perSecond: number, count: number) => (scheduler: SchedulerLike) =>
  interval(1000 / perSecond, scheduler).pipe(take(count));

/** The states in which the page is looked at. */
export const simulations = {
  nothing: { provider: {}, requests: () => range(0, 0), until: 1000 },
  one: { provider: {}, requests: () => range(0, 1), until: 30_000 },
  thousand: {
    provider: {
      limits: [
        { of: 'requests', limit: 600, depth: 60 },
        { of: 'tokens', limit: 100_000 },
      ],
    },
    config: { maxConcurrent: 20 },
    requests: steadily(15, 1000),
    until: 66_000,
  },
  hundredThousand: {
    provider: { limits: [{ of: 'requests', limit: 30_000 }], latency: { base: 400 } },
    config: { maxConcurrent: 400, cacheMaxSize: 10_000 },
    // All come in 80 seconds, 125 every tenth of a second.
    requests: (scheduler) =>
      interval(100, scheduler).pipe(
        take(800),
        mergeMap((tick) => range(tick * 125, 125)),
      ),
    until: 100_000,
  },
  storm: {
    provider: {
      limits: [{ of: 'requests', limit: 600, kind: 'fixed-window', hidden: true }],
      headers: 'none',
    },
    config: { maxConcurrent: 60, baseInterval: 10 },
    requests: steadily(40, 4000),
    until: 35_000,
  },
  outage: {
    provider: { outages: [{ from: 60_000, until: 200_000, failureRate: 0.95 }] },
    config: { maxConcurrent: 20 },
    requests: steadily(15, 3000),
    until: 90_000,
  },
  quota: {
    provider: {
      limits: [{ of: 'requests', limit: 400, window: 86_400_000, kind: 'fixed-window' }],
      headers: 'none',
    },
    config: { maxConcurrent: 20 },
    requests: steadily(10, 1500),
    until: 80_000,
  },
} satisfies Readonly<Record<string, Simulation>>;

export type SimulationName = keyof typeof simulations;

/** Runs until the moment at which one looks. The optimizer stays as it is there; `served` is what looks at it meanwhile. */
export function simulate<Served>(name: SimulationName, serve: (optimizer: LLMCallOptimizer) => Served) {
  const { provider: behaviour, config, requests, until }: Simulation = simulations[name];
  const scheduler = new HeapScheduler(morning);
  const provider = new SimulatedProvider<Request>({
    latency: { base: 300, perOutputToken: 4 },
    ...behaviour,
    scheduler,
  });
  const optimizer = new LLMCallOptimizer({
    prices: { simulated: { input: 3, output: 15 } },
    ...config,
    scheduler,
  });
  const served = serve(optimizer);
  const call = (request: Request, { report, ...context }: CallContext) =>
    provider.call(request, {
      ...context,
      report: (feedback) =>
        report({ ...feedback, ...(feedback.usage && { usage: { ...feedback.usage, model: 'simulated' } }) }),
    });
  const subscription = requests(scheduler).pipe(map(requestOf), optimizer.optimize(call)).subscribe();
  scheduler.flush(morning + until);
  return {
    optimizer,
    served,
    end: () => {
      subscription.unsubscribe();
      optimizer.close();
    },
  };
}
