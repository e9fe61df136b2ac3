import { AIMessage } from '@langchain/core/messages';
import { isCacheable } from '../../lib/cache/cacheable-answer';

const chat = (finish_reason: string | null, message: object) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  choices: [{ index: 0, finish_reason, logprobs: null, message: { role: 'assistant', ...message } }],
});
const completion = (finish_reason: string, text: string) => ({
  object: 'text_completion',
  choices: [{ index: 0, finish_reason, logprobs: null, text }],
});
const responseWith = (fields: object, output: unknown[]) => ({
  object: 'response',
  status: 'completed',
  error: null,
  incomplete_details: null,
  ...fields,
  output,
});
const response = (...output: unknown[]) => responseWith({}, output);
const outputMessage = (...content: unknown[]) => ({
  type: 'message',
  role: 'assistant',
  status: 'completed',
  content,
});
const outputText = (text: string) => ({ type: 'output_text', text, annotations: [] });
const message = (stop_reason: string | null, ...content: unknown[]) => ({
  type: 'message',
  role: 'assistant',
  stop_reason,
  stop_sequence: null,
  content,
});
const text = (value: string) => ({ type: 'text', text: value });
const converse = (stopReason: string, ...content: unknown[]) => ({
  output: { message: { role: 'assistant', content } },
  stopReason,
  usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
});
const candidate = (finishReason: string | undefined, ...parts: unknown[]) => ({
  ...(finishReason && { finishReason }),
  content: { role: 'model', parts },
});

/** A step of the AI SDK, with its own fields and getters. */
class Step {
  constructor(
    readonly finishReason: string,
    readonly content: readonly Readonly<Record<string, unknown>>[],
  ) {}
  get text() {
    return this.content
      .filter(({ type }) => type === 'text')
      .map((part) => part['text'])
      .join('');
  }
  get files() {
    return this.content.filter(({ type }) => type === 'file');
  }
  get toolCalls() {
    return this.content.filter(({ type }) => type === 'tool-call');
  }
}

/** What `generateText` of the AI SDK gives back: all of it but the steps are getters, and one of them may throw. */
class GenerateTextResult {
  readonly steps: readonly Step[];
  constructor(...steps: readonly Step[]) {
    this.steps = steps;
  }
  get finalStep() {
    return this.steps.at(-1)!;
  }
  get finishReason() {
    return this.finalStep.finishReason;
  }
  get text() {
    return this.finalStep.text;
  }
  get content() {
    return this.steps.flatMap((step) => step.content);
  }
  get toolCalls() {
    return this.steps.flatMap((step) => step.toolCalls);
  }
  get output(): never {
    throw new Error('no output was specified');
  }
}

const result = (finishReason: string, ...content: Readonly<Record<string, unknown>>[]) =>
  new GenerateTextResult(new Step(finishReason, content));
const toolCall = { type: 'tool-call', toolCallId: '1', toolName: 'price', input: { symbol: 'XAU' } };
const toolError = { type: 'tool-error', toolCallId: '1', toolName: 'price', error: new Error('down') };
const reasoning = { type: 'reasoning', text: 'They ask for gold.' };
const generated = (finishReason: unknown, content: unknown[]) => ({ content, finishReason, warnings: [] });
const fromModel = (response_metadata: Record<string, unknown>, fields: object = {}) =>
  new AIMessage({ content: 'x', response_metadata, ...fields });

/** An object of which a field throws as soon as it is read. */
function throwing(field: string): object {
  return Object.defineProperty({ finishReason: 'stop', text: 'x' }, field, {
    get: () => {
      throw new Error('read');
    },
  });
}

describe('isCacheable', () => {
  it.each<[string, unknown]>([
    ['0', 0],
    ['false', false],
    ['an empty array', []],
    ['an empty object', {}],
    ['NaN', NaN],
    ['a text', 'x'],
    ['a text after a blank', '\n\n\n x'],
    ['a date', new Date(0)],
    ['a Map', new Map()],
    ['an object of another shape', { label: 'positive', choices: 'none' }],
    ['an object whose choices are another thing', { choices: ['red', 'blue'] }],
    ['an object whose choices are objects', { choices: [{ text: '' }, { label: 'b', text: '' }] }],
    ['an object whose choices are none', { choices: [] }],
    ['an object whose candidates are another thing', { candidates: [{ name: '', content: '' }] }],
    ['an object whose candidates are none', { candidates: [] }],
    ['an object with a text', { text: '' }],
    ['an object with content', { role: 'assistant', content: '' }],
    ['an object with output', { output: [], status: 'incomplete' }],
    ['an object with an error', { error: null }],
    ['an object with a body', { body: 'x' }],
    ['a message of somebody else', { type: 'message', role: 'user', stop_reason: 'stop', content: [] }],
    ['an object that says why it stopped', { stop_reason: 'passenger', floor: 7 }],
    ['an object that says in a number why it stopped', { finish_reason: 3, floor: 7 }],
    ['an object whose details are open', { incomplete_details: null, label: 'x' }],
    ['details of another thing', { incomplete_details: { pages: 3 }, label: 'x' }],
    ['a question without choices', { question: 'Why?', choices: null }],
    ['a question of which the choices are none', { id: 5, question: 'Why?', choices: [] }],
    ['an election without candidates', { year: 2026, candidates: [] }],
    ['an error that is an amount', { error: 0.03 }],
    ['an error beside what was found out', { error: 'no date', label: 'x' }],
    ['an error beside an answer', { error: { code: 429, message: 'm' }, result: [1] }],
    ['an error that holds nothing', { error: {} }],
    ['an empty error', { error: '' }],
    ['a text that speaks of HTML', 'Write <html> at first.'],
    ['a part of a page', '<h1>502 Bad Gateway</h1>'],
    ['a text of JSON', '{"label":"x","error":null}'],
    ['a text of JSON in which an error was found', '{"error":"a comma is missing","line":3}'],
    ['a text that is no JSON', '{"error": the comma'],

    [
      'an answer of Ollama',
      { model: 'l', message: { role: 'assistant', content: 'x' }, done: true, done_reason: 'stop' },
    ],
    ['a generated answer of Ollama', { model: 'l', response: 'x', done: true, done_reason: 'stop' }],
    [
      'tool calls of Ollama',
      { model: 'l', message: { role: 'assistant', content: '', tool_calls: [{ function: {} }] }, done: true },
    ],
    [
      'an answer of Cohere',
      { finish_reason: 'COMPLETE', message: { role: 'assistant', content: [text('x')] } },
    ],
    ['an answer of Bedrock', converse('end_turn', { text: 'x' })],
    ['a tool use of Bedrock', converse('tool_use', { toolUse: { name: 'f', input: {} } })],
    [
      'an answer of Bedrock after reasoning',
      converse('end_turn', { reasoningContent: { reasoningText: { text: 'h' } } }, { text: 'x' }),
    ],

    ['a whole chat completion', chat('stop', { content: 'x', refusal: null })],
    ['tool calls', chat('tool_calls', { content: null, tool_calls: [{ id: '1', type: 'function' }] })],
    ['tool calls with an empty text', chat('stop', { content: '', tool_calls: [{ id: '1' }] })],
    ['a function call', chat('function_call', { content: null, function_call: { name: 'f' } })],
    ['spoken audio', chat('stop', { content: null, audio: { id: '1', data: 'UklGRg==' } })],
    ['content in parts', chat('stop', { content: [text('x')] })],
    ['a chat completion that says nothing of its end', { choices: [{ message: { content: 'x' } }] }],
    ['a chat completion in camel case', { choices: [{ finishReason: 'stop', message: { content: 'x' } }] }],
    ['a chat completion in the words of Together', chat('eos', { content: 'x' })],
    [
      'tool calls in camel case',
      { choices: [{ finishReason: 'tool_calls', message: { content: '', toolCalls: [{ id: '1' }] } }] },
    ],
    ['images', chat('stop', { content: '', images: [{ type: 'image_url', image_url: { url: 'data:' } }] })],
    ['a completion', completion('stop', ' x')],

    ['a whole response', response(outputMessage(outputText('x')))],
    ['a response after reasoning', response({ type: 'reasoning' }, outputMessage(outputText('x')))],
    ['a response that calls a function', response({ type: 'function_call', name: 'f', arguments: '{}' })],
    ['a response with an image', response({ type: 'image_generation_call', result: 'iVBORw0KGgo=' })],
    ['a response without a status', responseWith({ status: undefined }, [outputMessage(outputText('x'))])],

    ['a whole message', message('end_turn', text('x'))],
    ['a message of a kind of part it does not know', message('end_turn', { type: 'hologram' })],
    ['a message that met a stop sequence', message('stop_sequence', text('x'))],
    ['a tool use', message('tool_use', { type: 'tool_use', id: '1', name: 'f', input: {} })],
    ['a message after thinking', message('end_turn', { type: 'thinking', thinking: 'h' }, text('x'))],
    ['a completion of Anthropic', { type: 'completion', completion: ' x', stop_reason: 'stop_sequence' }],

    ['a candidate', { candidates: [candidate('STOP', { text: 'x' })] }],
    [
      'a candidate that calls a function',
      { candidates: [candidate('STOP', { functionCall: { name: 'f' } })] },
    ],
    ['a candidate with an image', { candidates: [candidate('STOP', { inlineData: { data: 'iVBO' } })] }],
    [
      'a candidate after thoughts',
      { candidates: [candidate('STOP', { text: 'h', thought: true }, { text: 'x' })] },
    ],

    ['a result of generateText', result('stop', text('x'))],
    ['a result that holds tool calls only', result('tool-calls', toolCall)],
    ['a result with a file', result('stop', { type: 'file', file: { mediaType: 'image/png' } })],
    [
      'a result whose tool failed and which answered all the same',
      new GenerateTextResult(new Step('tool-calls', [toolCall, toolError]), new Step('stop', [text('x')])),
    ],
    ['a result of generateObject', { object: { a: 1 }, finishReason: 'stop' }],
    ['an empty list of generateObject', { object: [], finishReason: 'stop' }],
    ['an object of generateObject that is false', { object: false, finishReason: 'stop' }],
    ['a result of doGenerate', generated('stop', [text('x')])],
    ['a result of doGenerate of version 3', generated({ unified: 'stop', raw: 'end_turn' }, [text('x')])],
    ['tool calls of doGenerate', generated({ unified: 'tool-calls', raw: 'tool_use' }, [toolCall])],
    ['a plain result of an earlier version', { text: '', toolCalls: [toolCall], finishReason: 'tool-calls' }],

    ['a message of LangChain', fromModel({ finish_reason: 'stop' })],
    ['a message of LangChain from Anthropic', fromModel({ stop_reason: 'end_turn' })],
    ['a message of LangChain from Gemini', fromModel({ finishReason: 'STOP' })],
    ['a message of LangChain from Bedrock', fromModel({ messageStop: { stopReason: 'end_turn' } })],
    ['a message of LangChain from a response', fromModel({ object: 'response', status: 'completed' })],
    ['a message of LangChain that says nothing of its end', fromModel({})],
    ['a message of LangChain in parts', fromModel({}, { content: [text('x')] })],
    [
      'tool calls of LangChain',
      fromModel(
        { finish_reason: 'tool_calls' },
        { content: '', tool_calls: [{ id: '1', name: 'f', args: {} }] },
      ),
    ],
  ])('takes %s', (_name, value) => {
    expect(isCacheable(value)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty text', ''],
    ['a blank text', ' \n\t\u00a0'],

    ['a chat completion without choices', { object: 'chat.completion', choices: [] }],
    ['an empty chat completion', chat('stop', { content: '' })],
    ['a blank chat completion', chat('stop', { content: ' \n' })],
    ['a chat completion of reasoning only', chat('stop', { content: null, reasoning_content: 'h' })],
    ['a chat completion of empty parts', chat('stop', { content: [text('')] })],
    ['an empty list of tool calls', chat('tool_calls', { content: null, tool_calls: [] })],
    ['a truncated chat completion', chat('length', { content: 'x' })],
    ['a filtered chat completion', chat('content_filter', { content: 'x' })],
    ['an unfinished chat completion', chat(null, { content: 'x' })],
    ['a chat completion of an unknown end', chat('insufficient_system_resource', { content: 'x' })],
    ['a refusal', chat('stop', { content: null, refusal: 'I cannot.' })],
    ['a refusal beside a text', chat('stop', { content: 'x', refusal: 'I cannot go on.' })],
    ['a refusal in parts', chat('stop', { content: [{ type: 'refusal', refusal: 'No.' }, text('x')] })],
    ['an empty one that says nothing of its end', { choices: [{ message: { content: '' } }] }],
    [
      'the last chunk of a stream',
      { object: 'chat.completion.chunk', choices: [{ finish_reason: 'stop', delta: {} }] },
    ],
    ['a truncated one in camel case', { choices: [{ finishReason: 'length', message: { content: 'x' } }] }],
    ['an empty completion', completion('stop', '')],
    ['a truncated completion', completion('length', 'x')],

    ['an incomplete response', responseWith({ status: 'incomplete' }, [outputMessage(outputText('x'))])],
    ['a failed response', responseWith({ status: 'failed', error: { code: 'server_error' } }, [])],
    ['a response that is still to come', responseWith({ status: 'queued' }, [])],
    ['a response with an error', responseWith({ error: { code: 'x' } }, [outputMessage(outputText('x'))])],
    [
      'a response with a reason why it is incomplete',
      responseWith({ incomplete_details: { reason: 'max_output_tokens' } }, [outputMessage(outputText('x'))]),
    ],
    ['an empty response', response()],
    ['a response without output', { object: 'response', status: 'completed' }],
    ['a response of reasoning only', response({ type: 'reasoning', summary: [], content: [] })],
    ['a response of a search only', response({ type: 'web_search_call', status: 'completed' })],
    ['a response of an empty message', response({ type: 'reasoning' }, outputMessage(outputText(' ')))],
    ['a response of a message without parts', response(outputMessage())],
    ['a response without its image', response({ type: 'image_generation_call', result: null })],
    ['a refused response', response(outputMessage({ type: 'refusal', refusal: 'No.' }))],
    [
      'a response refused in part',
      response(outputMessage(outputText('x'), { type: 'refusal', refusal: 'No.' })),
    ],

    ['a truncated message', message('max_tokens', text('x'))],
    ['a message that fills the window', message('model_context_window_exceeded', text('x'))],
    ['a paused message', message('pause_turn', text('x'))],
    ['a refused message', message('refusal', text('x'))],
    ['an unfinished message', message(null, text('x'))],
    ['an empty message', message('end_turn')],
    ['a message of an empty text', message('end_turn', text(''))],
    ['a message of thinking only', message('end_turn', { type: 'thinking', thinking: 'h' }, text('\n'))],
    [
      'a truncated completion of Anthropic',
      { type: 'completion', completion: 'x', stop_reason: 'max_tokens' },
    ],

    ['a blocked prompt', { promptFeedback: { blockReason: 'SAFETY' } }],
    ['a blocked prompt with no candidates', { candidates: [], promptFeedback: { blockReason: 'OTHER' } }],
    ['a truncated candidate', { candidates: [candidate('MAX_TOKENS', { text: 'x' })] }],
    ['a filtered candidate', { candidates: [{ finishReason: 'SAFETY' }] }],
    ['a recited candidate', { candidates: [candidate('RECITATION', { text: 'x' })] }],
    ['an unfinished candidate', { candidates: [candidate(undefined, { text: 'x' })] }],
    ['an empty candidate', { candidates: [candidate('STOP', { text: '' })] }],
    ['a candidate without content', { candidates: [{ finishReason: 'STOP' }] }],
    ['a candidate of a signature only', { candidates: [candidate('STOP', { thoughtSignature: 'x' })] }],
    ['a candidate of thoughts only', { candidates: [candidate('STOP', { text: 'h', thought: true })] }],

    ['a truncated result', result('length', text('x'))],
    ['a filtered result', result('content-filter', text('x'))],
    ['a failed result', result('error', text('x'))],
    ['an empty result', result('stop', text(''))],
    ['a result of reasoning only', result('stop', reasoning)],
    ['a result of sources only', result('stop', { type: 'source', id: '1' })],
    ['a result whose tool failed', result('tool-calls', toolCall, toolError)],
    [
      'a result whose last step is empty',
      new GenerateTextResult(new Step('tool-calls', [toolCall]), new Step('stop', [])),
    ],
    ['a result without steps', new GenerateTextResult()],
    ['a truncated object', { object: { a: 1 }, finishReason: 'length' }],
    ['an object that is missing', { object: undefined, finishReason: 'stop' }],
    ['a truncated result of doGenerate', generated({ unified: 'length', raw: 'max_tokens' }, [text('x')])],
    ['an unknown end of doGenerate', generated('unknown', [text('x')])],
    ['an empty result of doGenerate', generated({ unified: 'stop', raw: 'stop' }, [])],

    ['an object that says it was cut off', { stop_reason: 'max_tokens', floor: 7 }],
    ['an object that says it was cut off in capitals', { finishReason: 'MAX_TOKENS', label: 'x' }],
    ['an object that was filtered', { finish_reason: 'content-filter', label: 'x' }],
    ['an object that a guardrail cut off', { stopReason: 'guardrail_intervened', label: 'x' }],
    ['an object that ended with an error', { finish_reason: 'error', label: 'x' }],
    ['an object that is incomplete', { incomplete_details: { reason: 'max_output_tokens' }, label: 'x' }],
    ['a message of somebody else that was cut off', { role: 'user', stop_reason: 'max_tokens', content: [] }],

    [
      'an answer of Ollama that only loaded',
      { model: 'l', message: { role: 'assistant', content: '' }, done: true, done_reason: 'load' },
    ],
    [
      'an empty answer of Ollama',
      { model: 'l', message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop' },
    ],
    ['an empty generated answer of Ollama', { model: 'l', response: '', done: true }],
    ['a truncated answer of Ollama', { model: 'l', response: 'half an', done: true, done_reason: 'length' }],
    ['a chunk of Ollama', { model: 'l', response: 'half an', done: false }],
    ['an empty answer of Cohere', { finish_reason: 'COMPLETE', message: { role: 'assistant', content: [] } }],
    [
      'a truncated answer of Cohere',
      { finish_reason: 'MAX_TOKENS', message: { role: 'assistant', content: [text('x')] } },
    ],
    ['a truncated answer of Bedrock', converse('max_tokens', { text: 'half' })],
    ['a filtered answer of Bedrock', converse('content_filtered', { text: 'half' })],
    ['an empty answer of Bedrock', converse('end_turn', { text: '' })],
    ['an answer of Bedrock that only reasons', converse('end_turn', { reasoningContent: {} })],

    ['candidates that are none', { candidates: [], usageMetadata: {} }],
    ['candidates that are null', { candidates: null, modelVersion: 'g' }],
    ['choices that are none', { id: 'x', choices: [] }],
    ['choices that are null', { choices: null }],
    ['choices that are null in a completion', { id: 'x', model: 'm', choices: null }],
    ['no choices, and an error', { choices: [], error: { message: 'm' } }],
    ['an error within a choice', { choices: [{ finish_reason: 'error', error: { code: 502 } }] }],

    ['an error of OpenAI', { error: { message: 'm', type: 'server_error', param: null, code: null } }],
    ['an error of OpenRouter', { error: { code: 502, message: 'm' }, user_id: 'u' }],
    ['an error of Anthropic', { type: 'error', error: { type: 'overloaded_error', message: 'm' } }],
    ['an error of Gemini', { error: { status: 'UNAVAILABLE' } }],
    ['an error of Gemini in a list', [{ error: { code: 503, message: 'm', status: 'UNAVAILABLE' } }]],
    ['an error of Ollama', { error: 'model not found' }],
    ['an error of Hugging Face', { error: 'Model is loading', estimated_time: 20 }],
    ['an error of xAI', { code: 'The service is overloaded', error: 'm' }],
    ['an error of Mistral', { object: 'error', message: 'm', type: 'invalid', param: null, code: '1300' }],
    ['an exception of Bedrock', { __type: 'ThrottlingException', message: 'm' }],
    ['an error of another shape', { error: { message: 'm' } }],
    ['an error of a framework', { statusCode: 502, error: 'Bad Gateway', message: 'm' }],
    ['the text of an error', '{"error":{"code":429,"message":"slow down"}}'],
    ['a page', '<!DOCTYPE html>\n<title>502</title>'],
    ['a page without its type', ' \n<html lang="en"><h1>502 Bad Gateway</h1></html>'],
    ['a page after a comment', '<!-- gateway --><HTML>'],
    ['a page of XHTML', '<?xml version="1.0"?>\n<!DOCTYPE html>'],

    ['a truncated message of LangChain', fromModel({ finish_reason: 'length' })],
    ['a truncated message of LangChain from Anthropic', fromModel({ stop_reason: 'max_tokens' })],
    ['a truncated message of LangChain from Gemini', fromModel({ finishReason: 'MAX_TOKENS' })],
    ['a truncated message of LangChain from Ollama', fromModel({ done_reason: 'length' })],
    [
      'a truncated message of LangChain from Bedrock',
      fromModel({ messageStop: { stopReason: 'max_tokens' } }),
    ],
    ['an incomplete response of LangChain', fromModel({ object: 'response', status: 'incomplete' })],
    [
      'a response of LangChain with a reason why it is incomplete',
      fromModel({ incomplete_details: { reason: 'max_output_tokens' } }),
    ],
    ['a message of LangChain refused in parts', fromModel({}, { content: [{ type: 'refusal' }, text('x')] })],
    ['a refused message of LangChain', fromModel({}, { additional_kwargs: { refusal: 'No.' } })],
    ['an empty message of LangChain', fromModel({ finish_reason: 'stop' }, { content: '' })],
    ['a message of LangChain that reasons only', fromModel({}, { content: [reasoning] })],

    ['a stream', new ReadableStream()],
    ['an async generator', (async function* () {})()], // eslint-disable-line @typescript-eslint/no-empty-function
    ['a response of fetch', new Response('x')],
    ['a stream of the AI SDK', { textStream: {}, finishReason: Promise.resolve('stop'), text: 'x' }],

    ['what throws when its end is read', throwing('finishReason')],
    ['what throws when its text is read', throwing('text')],
    ['what throws when its choices are read', throwing('choices')],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          has: () => {
            throw new Error('asked');
          },
        },
      ),
    ],
  ])('leaves %s', (_name, value) => {
    expect(isCacheable(value)).toBe(false);
  });

  it.each([
    'reasoning',
    'reasoning-file',
    'reasoning_content',
    'thinking',
    'redacted_thinking',
    'compaction',
    'fallback',
    'custom',
    'source',
    'citation',
    'web_search_call',
    'file_search_call',
    'tool_search_call',
    'tool_search_output',
    'mcp_list_tools',
    'additional_tools',
    'server_tool_use',
    'mcp_tool_use',
    'web_search_tool_result',
    'web_fetch_tool_result',
    'tool_search_tool_result',
    'advisor_tool_result',
    'server_tool_call',
    'server_tool_call_result',
    'invalid_tool_call',
    'tool-error',
  ])('leaves an answer of nothing but %s', (type) => {
    expect(isCacheable(message('end_turn', { type, content: [text('x')] }))).toBe(false);
    expect(isCacheable(message('end_turn', { type }, text('x')))).toBe(true);
  });

  it('leaves a completion of which one choice is not whole', () => {
    const [whole] = chat('stop', { content: 'x' }).choices;
    const [cut] = chat('length', { content: 'x' }).choices;
    const [empty] = chat('stop', { content: '' }).choices;
    expect(isCacheable({ choices: [whole, whole] })).toBe(true);
    expect(isCacheable({ choices: [whole, cut] })).toBe(false);
    expect(isCacheable({ choices: [empty, whole] })).toBe(false);
  });

  it('leaves candidates of which one is not whole', () => {
    const whole = candidate('STOP', { text: 'x' });
    expect(isCacheable({ candidates: [whole, whole] })).toBe(true);
    expect(isCacheable({ candidates: [whole, candidate('MAX_TOKENS', { text: 'x' })] })).toBe(false);
  });

  it('does not read what a result of the AI SDK only throws for', () => {
    expect(() => result('stop', text('x')).output).toThrow();
    expect(isCacheable(result('stop', text('x')))).toBe(true);
  });

  it('consumes no stream of the AI SDK', () => {
    const consumed = jest.fn(() => 'stop');
    const stream = {
      textStream: new ReadableStream(),
      get finishReason() {
        return consumed();
      },
      get text() {
        return consumed();
      },
    };
    expect(isCacheable(stream)).toBe(false);
    expect(consumed).not.toHaveBeenCalled();
  });
});
