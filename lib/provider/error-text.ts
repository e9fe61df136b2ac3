import { firstOf, type ErrorShape } from './error-shape';

const phrases: readonly (readonly [number, string])[] = [
  [400, 'bad request'],
  [401, 'unauthorized'],
  [403, 'forbidden'],
  [404, 'not found'],
  [408, 'request time-?out'],
  [429, 'too many requests'],
  [500, 'internal server error'],
  [502, 'bad gateway'],
  [503, 'service (?:temporarily )?unavailable'],
  [504, 'gateway time-?out'],
  [529, '(?:site is )?overloaded'],
];
const reasons = phrases.map(
  ([status, phrase]) =>
    [status, new RegExp(`\\b${status}\\W{1,3}${phrase}\\b|(?:^|: )${phrase}\\W*$`, 'i')] as const,
);

/** What may follow a status. A following word would make it a count: "503 rows". */
const uncounted = '(?=\\s*(?:$|[)\\]}:;{<-]|[.,](?:\\s*$|\\s+[a-z])))';
const numbers = [
  // "HTTP 503", "HTTP error! status: 503", "Request failed with status code 429", "httpStatus=500", "Error code: 429 - …"
  /\b(?:https?|status|error[ _]?code)(?:\/\d(?:\.\d)?)?(?:[\s:=!_,-]*(?:error|status|code|response|of|is|was|returned))*["'\s:=!,([]{0,4}([45]\d\d)(?![\w%]|\.\d)/i,
  // "Error 503", "500", "529 {…}"
  new RegExp(`^\\W*(?:error\\W{1,2}([45]\\d\\d)${uncounted}|([45]\\d\\d)(?:\\W*$|\\s+[{[<]))`, 'i'),
  // "Ollama API error: 500", "POST failed with: 429", "The server responded with 503."
  new RegExp(
    `\\b(?:API|server|request|response|fetch|gateway|upstream|endpoint|GET|POST)\\b[^\\n]{0,60}?\\b(?:errors?|failed|failure|returned|responded|answered|replied|with)\\W{1,3}([45]\\d\\d)${uncounted}`,
    'i',
  ),
];

/**
 * The HTTP status in the message of a hand-written fetch error. A number alone is none, because of "line 503" and "429
 * rows". A number counts only
 * - before its own reason phrase, which also counts alone (`429 Too Many Requests`, `Bad Gateway`);
 * - after the words HTTP, status or error code, with only such words between;
 * - after "error" at the beginning, or alone, or before a body;
 * - after what a server did (`API error: 500`), if it counts nothing itself.
 *
 * Quoted text and late text are ignored.
 */
export function statusInText({ messages, codes }: ErrorShape): number | undefined {
  return (
    firstOf(isBug(codes) ? [] : messages.map(ownWordsOf), (text) => {
      const found = firstOf(numbers, (pattern) => pattern.exec(text)?.slice(1).find(Boolean));
      return reasons.find(([, pattern]) => pattern.test(text))?.[0] ?? (found && Number(found));
    }) || undefined
  );
}

/** The codes that the words of a message stand for: refusals and lost answers, without a status. */
export function codesInText({ messages, codes }: ErrorShape): string[] {
  return messages.flatMap((message) => {
    const text = ownWordsOf(message);
    if (isBug(codes)) {
      const isBroken = codes.includes('SyntaxError') && /\bJSON\b/.test(message);
      return isBroken || lostFetch.test(text) ? ['ERR_NETWORK'] : [];
    }
    return [
      ...(text.match(
        /\b(?:[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+|E[A-Z]{4,}|[A-Z]\w+(?:Exception|Error))\b/g,
      ) ?? []),
      ...said.flatMap(([code, words]) => (words.test(text) ? [code] : [])),
    ];
  });
}

/** Whether the engine throws such errors for bugs. Their messages may name anything. */
const isBug = (codes: readonly string[]): boolean =>
  codes.some((code) => /^(?:Type|Range|Reference|Syntax)Error$/.test(code));

/** The messages of the TypeError that `fetch` rejects with in Node, browsers, Deno and React Native. */
const lostFetch =
  /^(?:fetch failed|failed to fetch|terminated|load failed|network error|NetworkError when .*|network request failed|the (?:network|internet) connection .*|could not connect to the server\.?|error sending request .*)$/i;

const said: readonly (readonly [string, RegExp])[] = [
  [
    'rate_limited',
    /\b(?:rate|request)s? ?limit (?:is |was |has been )?(?:exceeded|reached|hit)\b|\brate[ -]?limited\b/i,
  ],
  ['overloaded', /\b(?:is|are) (?:currently )?overloaded\b|^\W*overloaded\W*$/i],
  [
    'timeout',
    /\btimed[ -]?out\b|\btime-?out (?:of|after|exceeded|expired|reached|waiting)\b|(?:^|: )\W*time-?out\W*$/i,
  ],
  ['timeout', /\b(?:request|response|connect|connection|read|socket|gateway|headers|body) time-?out\b/i],
  ['ERR_NETWORK', /^(?:load failed|terminated)$|\bfetch failed\b|\bfailed to fetch\b|\bnetwork ?error\b/i],
  [
    'ERR_NETWORK',
    /\bsocket hang up\b|\bother side closed\b|\bpremature (?:close|end)\b|\bconnection error\b/i,
  ],
  [
    'ERR_NETWORK',
    /\b(?:connection|stream|socket|request) (?:(?:has|had) been |was |is )?(?:unexpectedly )?(?:aborted|interrupted|closed|lost|reset|terminated|ended (?:before|without))\b/i,
  ],
  // The SDKs of OpenAI, Google and Ollama write so about a stream that ended early.
  [
    'ERR_NETWORK',
    /\bunexpected (?:eof|end of)\b|\bincomplete (?:json|response|chunk)\b|\bmissing finish_reason\b|\bdid not receive done\b/i,
  ],
];

/** The beginning of a message, up to the first quotation. */
const ownWordsOf = (message: string): string => /^[^"`“«]{0,300}/.exec(message)![0];
