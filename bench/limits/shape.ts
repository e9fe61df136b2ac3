import type { CallPriority } from '../../lib/index';
import type { SimulatedProviderConfig } from '../../lib/testing';

/** One request of a shape; its fields are those of an LLM body and of rxllm's traits. */
export interface ShapeRequest {
  /** No two requests of a shape have the same, so that no cache answers any. */
  readonly prompt: string;
  readonly max_tokens: number;
  readonly priority?: CallPriority;
}

/** What a user who knows the limit tells the clients that have to be told. */
export interface ToldLimit {
  readonly of: 'requests' | 'tokens';
  /** Per interval. */
  readonly cap: number;
  /** Milliseconds. */
  readonly interval: number;
  /** Whether it comes back little by little or all at once. */
  readonly refill: 'continuous' | 'at-once';
  /** For clients that only count requests. */
  readonly inRequests: { readonly cap: number; readonly interval: number };
}

/** A provider and what is asked of it. */
export interface Shape {
  readonly name: string;
  readonly title: string;
  /** Without the signals (see {@link signals}) and what it refuses for other reasons than its limits. */
  readonly provider: Omit<
    SimulatedProviderConfig<ShapeRequest>,
    'scheduler' | 'headers' | 'retryAfter' | 'refuse'
  >;
  /** What it refuses for other reasons than its limits. Default: nothing. */
  readonly otherReasons?: OtherReasons;
  /**
   * What the oracle meets instead, where a neighbour has a share: a provider with that share taken off its limits.
   * Taking what there is the moment it is there would starve the neighbour, and be the faster for it.
   */
  readonly oracleProvider?: Shape['provider'];
  readonly requests: readonly ShapeRequest[];
  /** Milliseconds since the start, one for each request, ascending. Default: all at once. */
  readonly arrivals?: readonly number[];
  /** Undefined where there is no limit that could be told. */
  readonly told?: ToldLimit;
  /** Whether hints of when to come back are right, or `short`: half of what is right. Default: right. */
  readonly hints?: 'short';
  /** How much the provider says, where not everything makes sense. Default: all of {@link signals}. */
  readonly signals?: readonly SignalsName[];
  /** What rxllm has to keep, where it is not what the signals ask for. */
  readonly bound?: FieldBound;
}

/** Why a provider refuses calls that its limits would admit. */
export interface OtherReasons {
  /** Load that it sheds by chance. */
  readonly shedding?: {
    /** The share of calls, from 0 to 1, that it sheds at a time (milliseconds since the start). */
    readonly share: (at: number) => number;
    /** Milliseconds that a call which is shed is told to wait. Default: it is told nothing. */
    readonly retryAfter?: number;
  };
  /** The most admitted calls that may run at once; more are refused without a hint. */
  readonly atOnce?: number;
  /** Prompts of requests that are refused whenever they come, without a hint. */
  readonly never?: ReadonlySet<string>;
}

/** What rxllm has to keep where refusals have other reasons than its pace. Times are milliseconds. */
export interface FieldBound {
  /** When the last request has to be answered. */
  readonly finished: number;
  /** How many times the finishing time of the best rival it may take, where rivals ran; then `finished` is not asked. */
  readonly ofBestRival?: number;
  /** 95 of 100 answered calls have to start within this time of their arrival. */
  readonly waitP95?: number;
}

/** How much the provider says of its limits. */
export const signals = {
  headers: { headers: 'openai', retryAfter: 'seconds' },
  'retry-after': { headers: 'none', retryAfter: 'seconds' },
  bare: { headers: 'none', retryAfter: 'none' },
} as const satisfies Record<string, Signals>;

/** How a provider states its limits, and when to come back. */
export type Signals = Required<Pick<SimulatedProviderConfig, 'headers' | 'retryAfter'>>;

export type SignalsName = keyof typeof signals;

/** Tokens of one request as the provider counts them. */
export interface TokenCount {
  readonly input: number;
  readonly output: number;
}
