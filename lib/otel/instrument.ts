import { context, metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Context, Meter, Span, Tracer } from '@opentelemetry/api';
import { from, Observable, type ObservableInput, type ObservedValueOf } from 'rxjs';
import { errorKindOf, type CallContext, type CallEvent, type LLMCallOptimizer } from 'rxllm';
import { commonAttributes, usageAttributes, type GenAIOptions } from './gen-ai';
import { Instruments, observeSnapshots } from './instruments';

/** The config of {@link instrument}. */
export interface InstrumentOptions {
  /** Makes the spans. @defaultValue the tracer of the global provider */
  readonly tracer?: Tracer;
  /** Makes the metrics. @defaultValue the meter of the global provider */
  readonly meter?: Meter;
  /**
   * The number of lanes that the metric `rxllm.queue.wait` names; further ones are `other`.
   * @defaultValue 0: no lanes
   */
  readonly lanes?: number;
  /**
   * Whether spans and metrics also have names of the GenAI semantic conventions. Leave it off if your SDK makes its own
   * spans, or each call counts twice.
   * @defaultValue false
   */
  readonly genAI?: boolean | GenAIOptions;
}

/**
 * Wraps a call so that it runs inside the span of its request: spans that the call or its SDK makes become children of
 * it. The same call always gets the same wrapper.
 */
export type TraceCall = <R, O extends ObservableInput<unknown>>(
  call: (request: R, callContext: CallContext) => O,
) => (request: R, callContext: CallContext) => Observable<ObservedValueOf<O>>;

/** The event fields that span events show. Keys, reasons and errors are left out, because they may hold content. */
const toldOfSteps = ['attempt', 'waited', 'delay', 'result', 'latency', 'joined', 'tier', 'age'];

/**
 * Reports an optimizer to OpenTelemetry: a span `rxllm.request` for each request, as a child of the span that is active
 * when it arrives, with its steps as events (times in milliseconds), and the metrics `rxllm.*` (times in seconds).
 * Requests, answers, keys and error messages are never reported. It ends when the optimizer is closed.
 *
 * @example
 * const traced = instrument(optimizer);
 * news$.pipe(optimizer.optimize(traced(callModel)));
 */
export function instrument(optimizer: LLMCallOptimizer, options: InstrumentOptions = {}): TraceCall {
  const { tracer = trace.getTracer('rxllm'), meter = metrics.getMeter('rxllm'), lanes = 0 } = options;
  const conventions = options.genAI === true ? {} : options.genAI || undefined;
  const instruments = new Instruments(meter, lanes, conventions);
  const stopObserving = observeSnapshots(meter, () => optimizer.getStats());
  const open = new Map<number, { span: Span; context: Context; lane: string | undefined }>();
  const wrappers = new WeakMap<object, object>();

  function next(event: CallEvent): void {
    if (event.type === 'received') {
      const span = tracer.startSpan('rxllm.request', {
        kind: conventions ? SpanKind.CLIENT : SpanKind.INTERNAL,
        attributes: { 'rxllm.priority': event.priority, ...(conventions && commonAttributes(conventions)) },
      });
      open.set(event.id, {
        span,
        context: trace.setSpan(context.active(), span),
        lane: lanes > 0 ? event.lane : undefined,
      });
    } else if ('id' in event) {
      // Absent for the renewal of an answer, which has no request.
      const request = open.get(event.id);
      instruments.next(event, request?.lane);
      if (request) {
        step(request.span, event);
      }
    }
  }

  function step(span: Span, event: Extract<CallEvent, { id: number }>): void {
    if (event.type === 'settled') {
      span.setAttributes({ 'rxllm.attempts': event.attempts, 'rxllm.waited': event.waited });
      if (event.ok) {
        span.setAttribute('rxllm.source', event.source ?? 'call');
      } else {
        span.setAttribute('error.type', errorKindOf(event.error)).setStatus({ code: SpanStatusCode.ERROR });
      }
    } else if (event.type !== 'feedback') {
      const told = Object.entries(event).filter(([field]) => toldOfSteps.includes(field));
      span.addEvent(event.type, Object.fromEntries(told.map(([field, value]) => [`rxllm.${field}`, value])));
    }
    if (conventions && event.type === 'finished' && event.usage) {
      span.setAttributes(usageAttributes(event.usage));
    }
    if (event.type === 'settled' || event.type === 'left') {
      open.delete(event.id);
      span.end();
    }
  }

  function close(): void {
    stopObserving();
    for (const { span } of open.values()) {
      span.end();
    }
    open.clear();
  }

  optimizer.events$.subscribe({ next, complete: close, error: close });
  return ((call: (request: never, callContext: CallContext) => ObservableInput<unknown>) => {
    const known = wrappers.get(call);
    // Cold Observables and generators do their work on subscription, so subscribe inside too.
    const inside = (request: never, callContext: CallContext) =>
      new Observable((subscriber) => {
        const active = open.get(callContext.id ?? NaN)?.context ?? context.active();
        return context.with(active, () => from(call(request, callContext)).subscribe(subscriber));
      });
    const wrapper = known ?? Object.assign(inside, call);
    wrappers.set(call, wrapper);
    return wrapper;
  }) as TraceCall;
}
