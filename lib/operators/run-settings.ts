import type { Clock } from '../core/clock';
import type { CallEventListener } from '../core/events';
import type { AnyStreamCall } from '../core/stream';
import type { TraitsReader } from '../core/traits';
import type { OverflowPolicy } from '../limiter/adaptive-rate-limiter';
import type { AdmissionQueue } from '../limiter/admission-queue';
import type { LimiterEngine } from '../limiter/limiter-engine';
import type { SlotPool } from '../limiter/slot-pool';
import type { RetryPolicy } from '../provider/retry-policy';
import type { AnswerJudge } from './answer-verdict';
import type { AttemptLimits } from './attempt-timeouts';
import type { UnknownErrors } from './unknown-errors';

/** The settings of one subscription of `mergeWithConcurrency`. Queue, slots and retries may be shared with others. */
export interface RunSettings<R> extends AttemptLimits {
  readonly clock: Clock;
  readonly queue: AdmissionQueue;
  /** Slots that several subscriptions share; without them, each has its own pool. */
  readonly sharedPool?: SlotPool | undefined;
  readonly limiter?:
    | {
        readonly engine: LimiterEngine;
        readonly key: object;
        readonly maxQueue: number;
        readonly overflow: OverflowPolicy;
      }
    | undefined;
  readonly retry?: RetryPolicy | undefined;
  readonly unknownErrors: UnknownErrors;
  readonly ordered: boolean;
  /** The stream call, if chunks are emitted. Then items are emitted in place of outcomes. */
  readonly stream?: AnyStreamCall | undefined;
  /** Milliseconds since arrival. */
  readonly maxWait: number;
  readonly maxQueue: number;
  readonly overflow: OverflowPolicy;
  readonly traits: TraitsReader<R>;
  readonly errorInAnswer?: AnswerJudge | undefined;
  readonly events?: CallEventListener | undefined;
}
