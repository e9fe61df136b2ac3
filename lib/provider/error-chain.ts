import { NoAnswerError, RxllmError } from '../core/errors';
import { isAbort } from './error-codes';
import { errorShapeOf, fieldOf, firstOf, layerOf, type ErrorShape } from './error-shape';
import { codesInText, statusInText } from './error-text';

/** How many nested causes are read; errors may wrap each other in a cycle. */
const deepestCause = 4;

/** The error and its causes. The causes of a final error are not read. */
export function shapesOf(error: unknown): ErrorShape[] {
  const shapes: ErrorShape[] = [];
  let layer = layerOf(typeof error === 'string' ? { message: error } : error);
  while (layer && shapes.length <= deepestCause) {
    const shape = errorShapeOf(layer);
    shapes.push(shape);
    const outer = layer;
    // The AI SDK's error of exhausted retries keeps the last error in `lastError`.
    layer = isFinal(shape)
      ? undefined
      : firstOf(['cause', 'lastError', 'originalError'], (name) => layerOf(fieldOf(outer, name)));
  }
  return shapes;
}

/** Whether the cause does not matter. The cause of an rxllm error is the error of an earlier attempt. */
export const isFinal = ({ layers, status, codes }: ErrorShape): boolean =>
  layers[0] instanceof RxllmError || (status === undefined && codes.some(isAbort));

/** The shape of an error with what its message says. */
export function withText(shape: ErrorShape): ErrorShape {
  const status = shape.status ?? statusInText(shape);
  // If the provider names no error, the next call may succeed.
  const noAnswer = shape.layers[0] instanceof NoAnswerError ? ['server_error'] : [];
  return { ...shape, status, codes: [...shape.codes, ...codesInText(shape), ...noAnswer] };
}
