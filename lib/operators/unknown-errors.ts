import { EmptyError } from 'rxjs';
import { RxllmError } from '../core/errors';
import type { CallEventListener, ErrorUnknownEvent } from '../core/events';
import {
  classNameOf,
  failureStatusOf,
  fieldOf,
  layerOf,
  namesIn,
  textOf,
  type Layer,
} from '../provider/error-shape';

/** A program meets few kinds of errors; one that makes new ones without an end is told no more of them. */
const mostShapes = 64;
const mostFields = 20;
const deepest = 3;

/** Remembers which shapes of errors that nobody understood were told. */
export class UnknownErrors {
  readonly #told = new Set<string>();

  /** Tells of an error, unless one of its shape was told, or it is one that rxllm makes itself. */
  tell(error: unknown, at: number, events: CallEventListener | undefined): void {
    const shape = events && this.#told.size < mostShapes ? shapeOf(error) : undefined;
    const key = JSON.stringify(shape);
    if (shape && !this.#told.has(key)) {
      this.#told.add(key);
      events?.next({ type: 'error-unknown', at, ...shape });
    }
  }
}

/** What an error looks like, without what it says; undefined for one of ours, and one that cannot be looked at. */
function shapeOf(error: unknown): Omit<ErrorUnknownEvent, 'type' | 'at'> | undefined {
  try {
    if (error instanceof RxllmError || error instanceof EmptyError) {
      return undefined;
    }
  } catch {
    return undefined;
  }
  const layer = layerOf(error);
  if (!layer) {
    return { name: typeof error, fields: [] };
  }
  const names = [fieldOf(layer, 'name'), classNameOf(layer)].flatMap(wordOf);
  const [name = names[0]] = names.filter((one) => one !== 'Error');
  const givenCode = fieldOf(layer, 'code');
  const code = typeof givenCode === 'number' ? givenCode : wordOf(givenCode)[0];
  const statusAt = placeOfStatus(layer);
  return {
    ...(name && { name }),
    ...(code !== undefined && { code }),
    fields: namesIn(layer).flatMap(wordOf).slice(0, mostFields),
    ...(statusAt !== undefined && { statusAt }),
  };
}

/** A name, or nothing: a longer text, or one with spaces, may be content. */
function wordOf(value: unknown): string[] {
  const text = textOf(value);
  return text !== undefined && /^[\w$.:-]{1,64}$/.test(text) ? [text] : [];
}

/** Where something stands that looks like the HTTP status of a failure. */
function placeOfStatus(error: Layer): string | undefined {
  let layers: [string, Layer][] = [['', error]];
  for (let depth = 0; depth < deepest; depth++) {
    const fields = layers.flatMap(([path, layer]) =>
      namesIn(layer)
        .flatMap(wordOf)
        .map((name) => [`${path}${name}`, fieldOf(layer, name)] as const),
    );
    const status = fields.find(
      ([path, value]) => /(?:status|code|http)\w*$/i.test(path) && failureStatusOf(value) !== undefined,
    );
    if (status) {
      return status[0];
    }
    const inner = fields.flatMap(([path, value]): [string, Layer][] => {
      const layer = layerOf(value);
      return layer ? [[`${path}.`, layer]] : [];
    });
    layers = inner.slice(0, mostFields);
  }
  return /\b[45]\d\d\b/.test(textOf(fieldOf(error, 'message')) ?? '') ? 'message' : undefined;
}
