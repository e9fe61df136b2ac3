import { day, durationOf, goDurationOf, hintOf, hour, millisecondsOf, minute } from './durations';
import { fieldOf, firstOf, listOf, namesIn, textOf, type ErrorShape, type Layer } from './error-shape';
import { countOf } from './header-reader';
import { windowSuffix } from './limit-window';
import { firstOfEachName, type LimitedDimension, type StatedLimit } from './stated-limit';

/** What the body of a refusal says. */
export interface RefusalBody {
  /** Milliseconds that it asks to wait. */
  readonly retryAfter: number | undefined;
  readonly period: 'minute' | 'day' | undefined;
  readonly limits: readonly StatedLimit[];
  /** No wait helps: the request is larger than the whole limit, or the limit is 0. */
  readonly isHopeless: boolean;
  /** The money or a monthly quota is spent. */
  readonly isSpent: boolean;
}

/** Reads the bodies of refusals: messages with figures, and Google's details. */
export function refusalBodyOf({ layers, messages }: ErrorShape): RefusalBody {
  const details = layers.flatMap((layer) => [
    ...listOf(fieldOf(layer, 'details')),
    ...listOf(fieldOf(layer, 'errorDetails')),
  ]);
  const violations = details.flatMap((detail) => listOf(fieldOf(detail, 'violations')));
  const quotas = violations.flatMap((violation) => textOf(fieldOf(violation, 'quotaId')) ?? []);
  const texts = [...messages, ...quotas];
  const figures = messages.map(figuresOf);
  const isHopeless =
    figures.some((one) => one !== undefined && one.requested > one.limit) ||
    violations.some((violation) => fieldOf(violation, 'quotaValue') === '0') ||
    messages.some((message) =>
      /\brequest too large\b|\bquota exceeded\b[^\n]{0,300}\blimit: 0\b/i.test(message),
    );
  return {
    retryAfter:
      firstOf(details, (detail) => hintOf(goDurationOf(textOf(fieldOf(detail, 'retryDelay'))))) ??
      firstOf(layers, waitFieldOf) ??
      firstOf(messages, waitInText),
    period: periodOf(texts),
    limits: firstOfEachName([
      ...messages.flatMap((message, index) => limitOfMessage(message, figures[index], layers) ?? []),
      ...violations.flatMap((violation) => limitOfQuota(violation) ?? []),
    ]),
    isHopeless,
    isSpent: messages.some((message) => spentMessages.some((spent) => spent.test(message))),
  };
}

/**
 * Messages that say that the money is spent. "You exceeded your current quota, please check your plan and billing
 * details" is not one: Google sends it for a spent minute too.
 */
const spentMessages = [
  /\bused all available credits\b|\bcredits are depleted\b|\bcredit balance is too low\b|\binsufficient (?:account )?balance\b/i,
  // LiteLLM's budgets: key, team, user, end user and deployment.
  /\bbudget has been exceeded\b|\bexceededbudget:|\bexceeded budget for\b|\bcrossed budget\b/i,
  // Anthropic's plans.
  /\bout of extra usage\b|\bextra usage is required\b/i,
  // Cohere's trial keys, Google's spending caps, and monthly plans, but not offers of a higher monthly limit.
  /\blimited to [\d,]{1,15} (?:api )?(?:calls|requests) ?(?:\/|per) ?month\b/i,
  /\b(?:exceeded|reached|hit) (?:the|your|its) monthly\b/i,
  /\bmonthly (?:usage |spending )?(?:limit|quota|cap) (?:is |has been )?(?:exceeded|reached)\b/i,
];

/** Milliseconds that a field asks to wait, by its name: `retry_after`, `retryAfterMs`, `resets_in_seconds`. */
function waitFieldOf(layer: Layer): number | undefined {
  return firstOf(namesIn(layer), (name) => {
    const [isWait, , unit] = waitNames.exec(name) ?? [];
    const value = isWait && fieldOf(layer, name);
    if (typeof value !== 'number' && !textOf(value)) {
      return undefined;
    }
    // JavaScript APIs count in milliseconds or seconds; the shorter reading costs at most one more attempt.
    const isAmbiguous = !unit && /[a-z][A-Z]/.test(name) && Number(value) >= 1000;
    const isOfMilliseconds = isAmbiguous || /^m/i.test(unit ?? '');
    return hintOf(isOfMilliseconds ? millisecondsOf(String(value)) : durationOf(String(value)));
  });
}

const waitNames =
  /^(?:(retry|resets?|wait)[_-]?(?:after|in)[_-]?|wait[_-]?(?=[ms]))(ms|milli(?:second)?s|s|sec(?:ond)?s)?$/i;

/**
 * Milliseconds from "Please try again in 6m0s", "retry after 20 seconds", "Your limit resets in ~1 minute 5 seconds."
 */
function waitInText(message: string): number | undefined {
  const text = asked.exec(message)?.[1] ?? '';
  let milliseconds = goDurationOf(text.split(' ', 1)[0]!.replace(/[.,;)]+$/, ''));
  if (milliseconds === undefined) {
    const [pairs = ''] = inWords.exec(text) ?? [];
    milliseconds = 0;
    for (const [, amount, word] of pairs.matchAll(/([\d.]+) ?([a-z]+)/gi)) {
      milliseconds += Number(amount) * units.find(([unit]) => unit.test(word!))![1];
    }
  }
  return hintOf(goDurationOf(`${milliseconds}ms`));
}

const asked =
  /\b(?:(?:try again|retry|retrying|available|resets?) (?:in|after)|wait(?: for)?) (?:about |another )?~?(\d[^\n]{0,60})/i;
const inWords =
  /^(?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)\b[, ]*(?:and )?)+/i;
const units: readonly (readonly [RegExp, number])[] = [
  [/^m(?:s$|illi)/i, 1],
  [/^s/i, 1000],
  [/^m/i, minute],
  [/^h/i, hour],
  [/^d/i, day],
];

function periodOf(texts: readonly string[]): 'minute' | 'day' | undefined {
  const isDay = texts.some((text) => /\bper[ -]day\b|\bdaily\b|\((?:R|T|IT|OT)PD\)|PerDay/i.test(text));
  const isMinute = texts.some((text) => /\bper[ -]min(?:ute)?\b|\((?:R|T|IT|OT)PM\)|PerMinute/i.test(text));
  // If two quotas are spent, the longer one holds.
  return isDay ? 'day' : isMinute ? 'minute' : undefined;
}

interface MessageFigures {
  readonly limit: number;
  readonly used: number | undefined;
  readonly requested: number;
}

/** The figures of "Limit 200000, Used 199821, Requested 2295"; the second is optional. */
function figuresOf(message: string): MessageFigures | undefined {
  const found = /\bLimit:? (\d{1,15}), (?:Used:? (\d{1,15}), )?Requested:? (\d{1,15})\b/.exec(message);
  return found
    ? {
        limit: Number(found[1]),
        used: found[2] === undefined ? undefined : Number(found[2]),
        requested: Number(found[3]),
      }
    : undefined;
}

const wordWindows: Readonly<Record<string, number>> = { min: minute, minute, hour, day };

/** The dimension and window in "on input tokens per min (ITPM)" and "of 40,000 input tokens per minute". */
function subjectOf(text: string): { dimension: LimitedDimension; window: number } | undefined {
  const words = /\b(?:(input|output) )?(requests|tokens) per (minute|min|hour|day)\b/i.exec(text);
  if (!words) {
    return undefined;
  }
  const [side, counted, window] = [words[1], words[2]!, words[3]!].map((word) => word?.toLowerCase());
  return {
    dimension: (side === undefined || counted === 'requests'
      ? counted
      : `${side}-${counted}`) as LimitedDimension,
    window: wordWindows[window!]!,
  };
}

function limitOfMessage(
  message: string,
  figures: MessageFigures | undefined,
  layers: ErrorShape['layers'],
): StatedLimit | undefined {
  if (figures?.used === undefined) {
    const stated = /\brate limit of (\d{1,3}(?:,\d{3}){1,4}|\d{1,15}) ([a-z ]{1,40})/i.exec(message);
    const subject = stated ? subjectOf(stated[2]!) : undefined;
    return subject && limitOf(subject, Number(stated![1]!.replaceAll(',', '')), undefined);
  }
  const { limit, used, requested } = figures;
  const subject = subjectOf(message.slice(0, message.search(/\bLimit:? \d/))) ?? reckonedSubject();
  return subject && limitOf(subject, limit, Math.max(0, limit - used));

  /** The window computed from the wait and the missing amount, as the bucket refills continuously. */
  function reckonedSubject(): { dimension: LimitedDimension; window: number } | undefined {
    const counted = layers
      .map((layer) => fieldOf(layer, 'type'))
      .find((type) => type === 'requests' || type === 'tokens');
    const wait = waitInText(message);
    const missing = used + requested - limit;
    if (wait === undefined || missing <= 0) {
      return undefined;
    }
    const refill = (wait * limit) / missing;
    const window = [minute, hour, day].find((one) => Math.abs(refill / one - 1) <= 0.02);
    const dimension = (counted as LimitedDimension | undefined) ?? (requested > 1 ? 'tokens' : undefined);
    return window === undefined || dimension === undefined ? undefined : { dimension, window };
  }
}

/** The limit of Google's `quotaId`, such as `GenerateRequestsPerDayPerProjectPerModel-FreeTier`. */
function limitOfQuota(violation: object): StatedLimit | undefined {
  const id = textOf(fieldOf(violation, 'quotaId'))?.slice(0, 200) ?? '';
  const limit = countOf(textOf(fieldOf(violation, 'quotaValue')));
  const counted = /(Requests|InputTokens|OutputTokens|Tokens)(?:Per|Count)/.exec(id)?.[1];
  const window = id.includes('PerDay') ? day : id.includes('PerMinute') ? minute : undefined;
  if (!limit || counted === undefined || window === undefined) {
    return undefined;
  }
  const dimension = quotaDimensions[counted]!;
  // Some tokens may be left, but not enough for this request.
  return limitOf({ dimension, window }, limit, dimension === 'requests' ? 0 : undefined);
}

const quotaDimensions: Readonly<Record<string, LimitedDimension>> = {
  Requests: 'requests',
  Tokens: 'tokens',
  InputTokens: 'input-tokens',
  OutputTokens: 'output-tokens',
};

function limitOf(
  { dimension, window }: { dimension: LimitedDimension; window: number },
  limit: number,
  remaining: number | undefined,
): StatedLimit | undefined {
  return limit > 0
    ? { name: `${dimension}${windowSuffix(window)}`, dimension, limit, remaining, reset: undefined, window }
    : undefined;
}
