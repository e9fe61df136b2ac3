import type { HeadersLike } from '../core/call';

/** Nothing that says something about limits stands further in; longer texts are cut or left unread. */
const longestMessage = 8192;
const longestBody = 65_536;
const mostLayers = 16;

/** An error, or what is in it, as an object whose fields may be anything. */
export type Layer = object;

/** What can be read off an error, whichever client made it. */
export interface ErrorShape {
  /** The error and its bodies, the outermost first. */
  readonly layers: readonly Layer[];
  /** The HTTP status of a failure; undefined without one. */
  readonly status: number | undefined;
  /** Codes, types, statuses and names, the outermost first. */
  readonly codes: readonly string[];
  readonly messages: readonly string[];
  readonly headers: readonly HeadersLike[];
}

/** Reads a field; undefined where it is absent, or reading it throws. */
export function fieldOf(value: unknown, name: string): unknown {
  try {
    return layerOf(value) && (value as Readonly<Record<string, unknown>>)[name];
  } catch {
    return undefined;
  }
}

/** Reads an array and the objects in it, of which there are never many. */
export function listOf(value: unknown): readonly Layer[] {
  try {
    return Array.isArray(value) ? (value as unknown[]).slice(0, mostLayers).filter(isLayer) : [];
  } catch {
    return [];
  }
}

function isLayer(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null;
}

export function layerOf(value: unknown): Layer | undefined {
  return isLayer(value) ? value : undefined;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * Gathers what an error says: the SDKs of OpenAI, Anthropic, Google and Amazon, the AI SDK, axios, and wrappers of
 * `fetch` that keep `status` or `response`, put status, headers and body in different places, and some hold the body
 * only as JSON text.
 */
export function errorShapeOf(error: Layer): ErrorShape {
  const layers = layersOf(error);
  return {
    layers,
    status: statusOf(layers),
    codes: layers.flatMap(codesOf),
    messages: layers.flatMap((layer) => textOf(fieldOf(layer, 'message'))?.slice(0, longestMessage) ?? []),
    headers: layers.flatMap(headersOf),
  };
}

function layersOf(error: Layer): Layer[] {
  const layers = new Set([error]);
  // A set hands out what is added while it is walked.
  for (const layer of layers) {
    const response = fieldOf(layer, 'response');
    const inner = [
      fieldOf(layer, 'error'),
      fieldOf(layer, 'data'),
      fieldOf(layer, 'body'),
      fieldOf(response, 'data'),
      jsonOf(fieldOf(layer, 'responseBody')),
      jsonOf(fieldOf(layer, 'body')),
      jsonOf(fieldOf(layer, 'message')),
      // Google wraps its body into a list now and then.
      ...listOf(layer).slice(0, 1),
    ];
    for (const value of inner) {
      const found = layerOf(value);
      if (found && layers.size < mostLayers) {
        layers.add(found);
      }
    }
  }
  return [...layers];
}

/** The object in a text that is, or ends with, a body: `429 {"type":"error", ...}`. */
function jsonOf(value: unknown): unknown {
  const text = textOf(value);
  const start = text && text.length <= longestBody ? text.search(/[[{]/) : -1;
  // A provider's text before the body is a status and its meaning, never long.
  if (start < 0 || start > 200) {
    return undefined;
  }
  try {
    return JSON.parse(text!.slice(start));
  } catch {
    return undefined;
  }
}

function statusOf(layers: readonly Layer[]): number | undefined {
  for (const layer of layers) {
    const places = [
      fieldOf(layer, 'status'),
      fieldOf(layer, 'statusCode'),
      fieldOf(fieldOf(layer, 'response'), 'status'),
      fieldOf(fieldOf(layer, 'response'), 'statusCode'),
      fieldOf(fieldOf(layer, '$metadata'), 'httpStatusCode'),
      fieldOf(layer, 'code'),
    ];
    for (const place of places) {
      const status = typeof place === 'string' && /^[45]\d\d$/.test(place) ? Number(place) : place;
      if (typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600) {
        return status;
      }
    }
  }
  return undefined;
}

function codesOf(layer: Layer): string[] {
  const message = textOf(fieldOf(layer, 'message'));
  return [
    fieldOf(layer, 'code'),
    fieldOf(layer, 'type'),
    fieldOf(layer, 'status'),
    fieldOf(layer, 'name'),
    constructorNameOf(layer),
    fieldOf(layer, '__type'),
    // As gRPC clients write it: "8 RESOURCE_EXHAUSTED: quota exceeded".
    /^\d{1,2} ([A-Z_]{2,30}): /.exec(message?.slice(0, 40) ?? '')?.[1],
  ].flatMap((code) => textOf(code) ?? []);
}

function constructorNameOf(layer: Layer): unknown {
  try {
    return layer.constructor.name;
  } catch {
    return undefined;
  }
}

function headersOf(layer: Layer): HeadersLike[] {
  const places = [
    fieldOf(layer, 'headers'),
    fieldOf(layer, 'responseHeaders'),
    fieldOf(fieldOf(layer, 'response'), 'headers'),
    fieldOf(fieldOf(layer, '$response'), 'headers'),
    fieldOf(fieldOf(layer, 'metadata'), 'headers'),
  ];
  return places.filter(isLayer) as HeadersLike[];
}
