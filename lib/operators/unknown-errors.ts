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

/** The most shapes that are reported, in case a program keeps making new ones. */
const mostShapes = 64;
const mostFields = 20;
const deepest = 3;

/** Remembers which shapes of unknown errors were reported. */
export class UnknownErrors {
  readonly #told = new Set<string>();

  /** Reports an error, unless an error of its shape was reported, or rxllm made it. */
  tell(error: unknown, at: number, events: CallEventListener | undefined): void {
    const shape = events && this.#told.size < mostShapes ? shapeOf(error) : undefined;
    const key = JSON.stringify(shape);
    if (shape && !this.#told.has(key)) {
      this.#told.add(key);
      events?.next({ type: 'error-unknown', at, ...shape });
    }
  }
}

/** The shape of an error without its content; undefined for an error of rxllm and an unreadable one. */
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

/** A name, or nothing: a text that is longer or has spaces may be content. */
function wordOf(value: unknown): string[] {
  const text = textOf(value);
  return text !== undefined && /^[\w$.:-]{1,64}$/.test(text) ? [text] : [];
}

/** Where something like an HTTP failure status is. */
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
