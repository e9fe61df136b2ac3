/** How the model server behaves. Every field may be left out. */
export interface ModelServerOptions {
  /** Port on 127.0.0.1; 0 takes any free one. Default 0. */
  readonly port?: number;
  /** Request budget, requests per minute; `Infinity` for none. Default 500. */
  readonly requestsPerMinute?: number;
  /** Token budget, tokens per minute; `Infinity` for none. Default 200,000. */
  readonly tokensPerMinute?: number;
  /**
   * How many seconds' worth of budget may be spent at once: the depth of both buckets. Default 60, so that an
   * idle client may spend a full minute's budget at once; a few seconds make the limits bite soon.
   */
  readonly burstSeconds?: number;
  /** Whether a refused call costs one request of the budget too. Default false. */
  readonly refusedCallsCount?: boolean;
  /** Tokens reserved for the answer of a call that states no `max_tokens`. Default 64. */
  readonly defaultMaxTokens?: number;
  /** Time before the first token of an answer, in milliseconds. Default 200. */
  readonly latencyBase?: number;
  /** Time for each token of an answer, in milliseconds. Default 5. */
  readonly latencyPerToken?: number;
  /** Spread of the latency: sigma of a log-normal factor whose mean is 1; 0 for none. Default 0.25. */
  readonly jitter?: number;
  /** Share of the admitted calls that fail with 500 or 503, 0 to 1. Default 0. */
  readonly failureRate?: number;
  /** Share of the admitted calls that are never answered, 0 to 1. Default 0. */
  readonly hangRate?: number;
  /** The only key that is let in; without one, every key is. */
  readonly apiKey?: string;
  /** Seed of everything random; the same seed and order of calls give the same failures and latencies. Default 1. */
  readonly seed?: number;
  /** What `GET /v1/models` lists; calls may name any model. Default `['sentiment-demo']`. */
  readonly models?: readonly string[];
}

/** {@link ModelServerOptions} with every default filled in. */
export type ModelServerSettings = Required<Omit<ModelServerOptions, 'apiKey'>> & {
  readonly apiKey: string | undefined;
};

interface NumberRule {
  readonly least: number;
  readonly most: number;
  readonly whole?: boolean;
  readonly fallback: number;
}

/** The options that are numbers, with the values they may take. */
export const numberRules = {
  port: { least: 0, most: 65_535, whole: true, fallback: 0 },
  requestsPerMinute: { least: 1, most: Infinity, fallback: 500 },
  tokensPerMinute: { least: 1, most: Infinity, fallback: 200_000 },
  burstSeconds: { least: 0.001, most: 3_600, fallback: 60 },
  defaultMaxTokens: { least: 1, most: 1_000_000, whole: true, fallback: 64 },
  latencyBase: { least: 0, most: 600_000, fallback: 200 },
  latencyPerToken: { least: 0, most: 60_000, fallback: 5 },
  jitter: { least: 0, most: 3, fallback: 0.25 },
  failureRate: { least: 0, most: 1, fallback: 0 },
  hangRate: { least: 0, most: 1, fallback: 0 },
  seed: { least: 0, most: 4_294_967_295, whole: true, fallback: 1 },
} as const satisfies Record<string, NumberRule>;

/** The name of an option that is a number. */
export type NumberOption = keyof typeof numberRules;

/** What is wrong with a value of a number option, as the rest of a sentence; undefined if it is fine. */
export function numberProblem(option: NumberOption, value: number): string | undefined {
  const { least, most, whole = false }: NumberRule = numberRules[option];
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return undefined;
  const kind = whole ? 'a whole number' : 'a number';
  return most === Infinity
    ? `must be ${kind} of at least ${least}`
    : `must be ${kind} from ${least} to ${most}`;
}

/**
 * Fills in the defaults.
 * @throws RangeError naming the option whose value cannot be used
 */
export function completeOptions(options: ModelServerOptions): ModelServerSettings {
  const numberOf = (option: NumberOption): number => {
    const value = options[option] ?? numberRules[option].fallback;
    const problem = numberProblem(option, value);
    if (problem !== undefined) throw new RangeError(`${option} ${problem}, got ${value}.`);
    return value;
  };
  return {
    port: numberOf('port'),
    requestsPerMinute: numberOf('requestsPerMinute'),
    tokensPerMinute: numberOf('tokensPerMinute'),
    burstSeconds: numberOf('burstSeconds'),
    refusedCallsCount: options.refusedCallsCount ?? false,
    defaultMaxTokens: numberOf('defaultMaxTokens'),
    latencyBase: numberOf('latencyBase'),
    latencyPerToken: numberOf('latencyPerToken'),
    jitter: numberOf('jitter'),
    failureRate: numberOf('failureRate'),
    hangRate: numberOf('hangRate'),
    apiKey: options.apiKey,
    seed: numberOf('seed'),
    models: options.models ?? ['sentiment-demo'],
  };
}
