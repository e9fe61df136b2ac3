import { isCacheable } from '../../lib/cache/cacheable-answer';

const chat = (finish_reason: string | null, message: object) => ({ choices: [{ finish_reason, message }] });
const response = (status: string, output: unknown[]) => ({ object: 'response', status, output });
const message = (stop_reason: string | null, content: unknown[]) => ({
  type: 'message',
  role: 'assistant',
  stop_reason,
  content,
});

describe('isCacheable', () => {
  it.each<[string, unknown]>([
    ['0', 0],
    ['false', false],
    ['an empty array', []],
    ['an empty object', {}],
    ['a text', 'x'],
    ['an object of another shape', { label: 'positive', choices: 'none' }],
    ['an object whose choices are another thing', { choices: ['red', 'blue'] }],
    ['an object whose choices are none', { choices: [] }],
    ['a whole chat completion', chat('stop', { content: 'x', refusal: null })],
    ['a tool call', chat('tool_calls', { content: null, tool_calls: [{ id: '1' }] })],
    ['a whole response', response('completed', [{ type: 'message', content: [{ type: 'output_text' }] }])],
    ['a whole message', message('end_turn', [{ type: 'text', text: 'x' }])],
    ['a tool use', message('tool_use', [{ type: 'tool_use' }])],
    ['a whole text of the AI SDK', { text: 'x', finishReason: 'stop' }],
    ['a whole object of the AI SDK', { object: { a: 1 }, finishReason: 'stop' }],
  ])('takes %s', (_name, value) => {
    expect(isCacheable(value)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty text', ''],
    ['a chat completion without choices', { object: 'chat.completion', choices: [] }],
    ['an empty chat completion', chat('stop', { content: '' })],
    ['a truncated chat completion', chat('length', { content: 'x' })],
    ['a filtered chat completion', chat('content_filter', { content: 'x' })],
    ['an unfinished chat completion', chat(null, { content: 'x' })],
    ['a refusal', chat('stop', { content: null, refusal: 'I cannot.' })],
    ['an incomplete response', response('incomplete', [{ type: 'message' }])],
    ['an empty response', response('completed', [])],
    ['a refused response', response('completed', [{ content: [{ type: 'refusal', refusal: 'No.' }] }])],
    ['a truncated message', message('max_tokens', [{ type: 'text', text: 'x' }])],
    ['a refused message', message('refusal', [{ type: 'text', text: 'x' }])],
    ['an empty message', message('end_turn', [])],
    ['a truncated text of the AI SDK', { text: 'x', finishReason: 'length' }],
    ['an empty text of the AI SDK', { text: '', finishReason: 'stop' }],
  ])('leaves %s', (_name, value) => {
    expect(isCacheable(value)).toBe(false);
  });

  it('leaves a completion of which one choice is not whole', () => {
    const [whole] = chat('stop', { content: 'x' }).choices;
    const [cut] = chat('length', { content: 'x' }).choices;
    expect(isCacheable({ choices: [whole, whole] })).toBe(true);
    expect(isCacheable({ choices: [whole, cut] })).toBe(false);
  });
});
