import type { HeadersLike } from '../core/call';

/** Nothing about limits stands further in. Longer texts are cut or not read. */
const longestMessage = 8192;
const longestBody = 65_536;
const mostLayers = 16;
const mostNames = 64;

export type Layer = object;

/** What an error of any client says. */
export interface ErrorShape {
  /** The error, its responses and its bodies, outermost first. */
  readonly layers: readonly Layer[];
  /** The HTTP status of a failure; undefined without one. */
  readonly status: number | undefined;
  /** Whether there is a response without a failure status: it was lost (0) or was no answer (2xx). */
  readonly isBrokenAnswer: boolean;
  /** Codes, types, statuses and names, outermost first. */
  readonly codes: readonly string[];
  readonly messages: readonly string[];
  readonly headers: readonly HeadersLike[];
}

/** Reads a field; undefined if it is absent or reading it throws. */
export function fieldOf(value: unknown, name: string): unknown {
  try {
    return layerOf(value) && (value as Readonly<Record<string, unknown>>)[name];
  } catch {
    return undefined;
  }
}

/** The names of an object's own fields, up to a bound. */
export function namesIn(value: Layer): readonly string[] {
  try {
    return Array.isArray(value) ? [] : Object.keys(value).slice(0, mostNames);
  } catch {
    return [];
  }
}

/** The first defined result of `read`. */
export function firstOf<T, U>(values: readonly T[], read: (value: T) => U | undefined): U | undefined {
  for (const value of values) {
    const found = read(value);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

/** Reads an array and returns the objects in it, up to a bound. */
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

/** All names made of one word of each list, in JavaScript's spelling (`statusCode`) and JSON's (`status_code`). */
function spellings(...choices: (readonly string[])[]): string[] {
  let names: string[][] = [[]];
  for (const words of choices) {
    names = names.flatMap((name) => words.map((word) => (word === '' ? name : [...name, word])));
  }
  const camelCased = (words: string[]): string =>
    words.map((word, at) => (at === 0 ? word : word[0]!.toUpperCase() + word.slice(1))).join('');
  return [...new Set(names.flatMap((words) => [camelCased(words), words.join('_')]))];
}

const statusNames = spellings(['', 'http', 'response'], ['status'], ['', 'code']);
const codeNames = [
  ...spellings(['', 'error'], ['code']),
  'type',
  'status',
  'name',
  '__type',
  'lc_error_code',
];
const messageNames = ['message', 'error', 'detail', 'msg'];
const headersNames = spellings(['', 'response'], ['headers', 'header']);
const responseNames = [
  ...spellings(['', 'raw', 'http'], ['response']),
  '$response',
  '$metadata',
  'xhr',
  'res',
];
const bodyNames = [...spellings(['', 'response'], ['body']), 'error', 'data', 'metadata'];
const bodyTextNames = [...bodyNames, 'raw', 'message', 'responseText'];

/**
 * Gathers what an error says. Clients keep status, headers and body in different places and under different names, and
 * some keep the body only as JSON text. So every object that may hold one of them is a layer, and each layer is read
 * under all names.
 */
export function errorShapeOf(error: Layer): ErrorShape {
  const layers = layersOf(error);
  const fieldsOf = (names: readonly string[]): unknown[] =>
    layers.flatMap((layer) => names.map((name) => fieldOf(layer, name)));
  const statuses = fieldsOf(statusNames);
  return {
    layers,
    // `code` comes last, because bodies have codes of their own.
    status: firstOf([...statuses, ...fieldsOf(['code'])], failureStatusOf),
    isBrokenAnswer: statuses.some(
      (status) => typeof status === 'number' && (status === 0 || isSuccess(status)),
    ),
    codes: layers.flatMap(codesOf),
    messages: fieldsOf(messageNames).flatMap((message) => textOf(message)?.slice(0, longestMessage) ?? []),
    headers: layers.flatMap(headersOf),
  };
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;

/** A failure status, from a number or its text. */
export function failureStatusOf(value: unknown): number | undefined {
  const status = typeof value === 'string' && /^[45]\d\d$/.test(value) ? Number(value) : value;
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600
    ? status
    : undefined;
}

function layersOf(error: Layer): Layer[] {
  const layers = new Set([error]);
  // A set also iterates over items that are added during the loop.
  for (const layer of layers) {
    const inner = [
      ...responseNames.map((name) => fieldOf(layer, name)),
      ...bodyNames.map((name) => fieldOf(layer, name)),
      ...bodyTextNames.map((name) => jsonOf(fieldOf(layer, name))),
      // Google sometimes wraps its body in a list.
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

/**
 * The JSON body in a text that is one or ends with one: `429 {"type":"error", ...}`, `[Client] got 429: {"error":
 * ...}`.
 */
function jsonOf(value: unknown): unknown {
  const text = textOf(value);
  if (text === undefined || text.length > longestBody) {
    return undefined;
  }
  // The client's text before the body is short, with a status and a few brackets at most.
  for (const { index } of [...text.slice(0, 200).matchAll(/[[{](?=[\s"[{])/g)].slice(0, 3)) {
    try {
      return JSON.parse(text.slice(index));
    } catch {
      // The body does not begin here.
    }
  }
  return undefined;
}

function codesOf(layer: Layer): string[] {
  const message = textOf(fieldOf(layer, 'message'));
  const className = classNameOf(layer);
  return [
    ...codeNames.map((name) => fieldOf(layer, name)),
    // The base class of an SDK's errors says nothing, though `api_error` does.
    className === 'APIError' ? undefined : className,
    fieldOf(layer, 'error'),
    // gRPC clients write "8 RESOURCE_EXHAUSTED: quota exceeded".
    /^\d{1,2} ([A-Z_]{2,30}): /.exec(message?.slice(0, 40) ?? '')?.[1],
  ].flatMap((code) => textOf(code) ?? []);
}

export function classNameOf(layer: Layer): unknown {
  try {
    return layer.constructor.name;
  } catch {
    return undefined;
  }
}

function headersOf(layer: Layer): HeadersLike[] {
  const getResponseHeader = fieldOf(layer, 'getResponseHeader');
  const ofRequest =
    typeof getResponseHeader === 'function'
      ? { get: (name: string) => getResponseHeader.call(layer, name) as string | null }
      : undefined;
  return [...headersNames.map((name) => fieldOf(layer, name)), ofRequest].filter(isLayer) as HeadersLike[];
}
