/* eslint-disable rxjs-x/no-ignored-error, rxjs-x/no-ignored-default-value -- an error that nothing handles fails the spec, as RxJS rethrows it, and each stream has a value */
import OpenAI, { AzureOpenAI } from 'openai';
import { from, lastValueFrom, map, of, timer, toArray } from 'rxjs';
import { LLMResultCache } from '../../lib/cache/llm-result-cache';
import { callIdentity } from '../../lib/core/call-identity';
import type { CallEvent } from '../../lib/core/events';
import type { CallTraits } from '../../lib/core/traits';
import { openaiCall } from '../../lib/openai';
import { AsyncLLMExecutor } from '../../lib/optimizer/async-llm-executor';
import { LLMCallOptimizer } from '../../lib/optimizer/llm-call-optimizer';
import type { OptimizerConfig } from '../../lib/optimizer/optimizer-config';

const asked: string[] = [];

/** A call that answers with the name that it closes over. */
function makeAsk(model: string) {
  return (question: string) => {
    asked.push(`${model} ${question}`);
    return of(`${model} says`);
  };
}

let optimizer: LLMCallOptimizer;
let events: CallEvent[];

function make(config: OptimizerConfig = {}): LLMCallOptimizer {
  optimizer = new LLMCallOptimizer({ enableRateLimit: false, ...config });
  events = [];
  optimizer.events$.subscribe((event) => events.push(event));
  return optimizer;
}

beforeEach(() => {
  asked.length = 0;
});

afterEach(() => optimizer.close());

describe('the answers of a function', () => {
  it('are given again to its own requests', async () => {
    make();
    const ask = makeAsk('mini');
    expect(await optimizer.call(ask, 'q')).toBe('mini says');
    expect(await optimizer.call(ask, 'q')).toBe('mini says');
    expect(await lastValueFrom(of('q').pipe(optimizer.optimize(ask)))).toMatchObject({ source: 'cache' });
    expect(asked).toEqual(['mini q']);
  });

  it('are never given to another function, whether its source text is the same or not', async () => {
    make();
    const answers = await Promise.all([
      optimizer.call(makeAsk('gpt-4o'), 'q'),
      optimizer.call(makeAsk('mini'), 'q'),
      optimizer.call((question: string) => of(`translated ${question}`), 'q'),
    ]);
    expect(answers).toEqual(['gpt-4o says', 'mini says', 'translated q']);
  });

  it('are never given to another bound function, all of which have one text', async () => {
    make();
    class Client {
      constructor(readonly name: string) {}
      ask(): Promise<string> {
        return Promise.resolve(this.name);
      }
    }
    const [one, other] = [new Client('one'), new Client('other')];
    expect(await optimizer.call(one.ask.bind(one), 'q')).toBe('one');
    expect(await optimizer.call(other.ask.bind(other), 'q')).toBe('other');
  });

  it('are not shared while a call runs', async () => {
    make();
    const slow = (name: string) => () => timer(5).pipe(map(() => name));
    expect(await Promise.all([optimizer.call(slow('a'), 'q'), optimizer.call(slow('b'), 'q')])).toEqual([
      'a',
      'b',
    ]);
  });

  it('are kept apart where the key is the one of the user', async () => {
    make();
    const request = { cacheKey: 'story:1' };
    expect(await optimizer.call(() => of('title'), request)).toBe('title');
    expect(await optimizer.call(() => of('summary'), request)).toBe('summary');
    expect(optimizer.cache!.invalidate({ prefix: 'story:1' })).toBe(2);
  });

  it('are shared by functions of one namespace, and by these alone', async () => {
    make();
    const namespace = 'say';
    expect(await optimizer.call(makeAsk('a'), 'q', { namespace })).toBe('a says');
    expect(await optimizer.call(makeAsk('b'), 'q', { namespace })).toBe('a says');
    expect(await optimizer.call(makeAsk('b'), 'q')).toBe('b says');
  });

  it('are found by the cache that is told the call', async () => {
    make();
    const ask = makeAsk('mini');
    await optimizer.call(ask, 'q');
    const { cache } = optimizer;
    const key = cache!.keyOf('q', { call: ask })!;
    expect(cache!.get(key)).toBe('mini says');
    expect(await cache!.explain('q', { call: ask })).toMatchObject({ reason: 'fresh', key });
    expect(await cache!.explain('q')).toMatchObject({ reason: 'never-seen' });
    expect(cache!.invalidate({ predicate: ({ call }) => call?.startsWith('function:') === true })).toBe(1);
  });
});

describe('a call that is written inline', () => {
  it('is told of once for each text, as its answers are never given again', async () => {
    make();
    for (let index = 0; index < 4; index++) {
      await optimizer.call(async (question: string) => Promise.resolve(`${question} ${index}`), 'q');
      await optimizer.call(makeAsk('mini'), 'q');
    }
    const told = events.filter(({ type }) => type === 'inline-call');
    expect(told).toEqual([
      { type: 'inline-call', at: expect.any(Number) as number, name: '' },
      { type: 'inline-call', at: expect.any(Number) as number, name: '' },
    ]);
    expect(optimizer.getStats().metrics.cacheHits).toBe(0);
  });

  it('is not told of if it has a namespace, tells of itself, or is not cached', async () => {
    make();
    for (let index = 0; index < 3; index++) {
      await optimizer.call((question: string) => of(question), 'q', { namespace: 'n' });
      await optimizer.call(toldOf('endpoint'), 'q');
    }
    expect(events.some(({ type }) => type === 'inline-call')).toBe(false);
    optimizer.close();
    make({ cache: false });
    for (let index = 0; index < 3; index++) {
      await optimizer.call((question: string) => of(question), 'q');
    }
    expect(events.some(({ type }) => type === 'inline-call')).toBe(false);
  });
});

/** A call that tells its endpoint and its body. */
function toldOf(
  endpoint: string,
  body: (request: string) => unknown = (content) => ({ model: 'm', input: content }),
) {
  const call = (request: string) => {
    asked.push(`${endpoint} ${request}`);
    return of(`${endpoint} says`);
  };
  return Object.assign(call, { [callIdentity]: { endpoint, body } });
}

describe('the answers of a call that tells what they depend on', () => {
  it('are shared with every call that has the same endpoint and body, whatever the request', async () => {
    make();
    const trimmed = (content: string) => ({ model: 'm', input: content.trim() });
    expect(await optimizer.call(toldOf('a'), 'q')).toBe('a says');
    expect(await optimizer.call(toldOf('a', trimmed), '  q ')).toBe('a says');
    expect(asked).toEqual(['a q']);
  });

  it('are for one endpoint and one body, whatever the namespace', async () => {
    make();
    for (const namespace of [undefined, 'n']) {
      const options = { namespace };
      await optimizer.call(toldOf('a'), 'q', options);
      await optimizer.call(toldOf('b'), 'q', options);
      await optimizer.call(
        toldOf('a', (input) => ({ model: 'other', input })),
        'q',
        options,
      );
    }
    expect(asked).toHaveLength(6);
  });

  it('depend on no field of the request that is not sent, and on each that is', async () => {
    make();
    const body = ({ question, priority }: { question: string; priority: string }) => ({
      model: 'm',
      input: `${question} (${priority})`,
      user: 'ada',
    });
    const call = Object.assign(() => of('x'), { [callIdentity]: { endpoint: 'e', body } });
    for (const request of [
      { question: 'q', priority: 'high', trace: 1 },
      { question: 'q', priority: 'high', trace: 2 },
      { question: 'q', priority: 'low', trace: 2 },
    ]) {
      await optimizer.call(call, request);
    }
    expect(optimizer.getStats().metrics).toMatchObject({ cacheHits: 1, cacheMisses: 2 });
    expect(events.filter(({ type }) => type === 'cache-miss')).toMatchObject([
      { leftOut: ['user'] },
      { leftOut: ['user'] },
    ]);
  });

  it('are not kept if the body cannot be made, or cannot be told apart', async () => {
    make();
    const secret = () => {
      throw new Error('no template for q');
    };
    await optimizer.call(toldOf('e', secret), 'q');
    await optimizer.call(
      toldOf('e', () => ({ tools: [() => 1] })),
      'q',
    );
    expect(events.filter(({ type }) => type === 'cache-bypassed')).toMatchObject([
      { reason: 'its body cannot be made' },
      { path: 'body.tools[0]' },
    ]);
  });

  it('are kept for the next process', async () => {
    const store = new Map<string, string>();
    for (let run = 0; run < 2; run++) {
      make({ cache: { store } });
      await optimizer.call(toldOf('a'), 'q');
      optimizer.close();
    }
    expect(asked).toEqual(['a q']);
  });
});

describe('a call of openaiCall', () => {
  const body = {
    object: 'chat.completion',
    model: 'small',
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'yes' } }],
  };
  const clientOf = (baseURL?: string) =>
    new OpenAI({ apiKey: 'key', baseURL, fetch: () => Promise.resolve(Response.json(body)) });
  const toParams = (content: string) => ({ model: 'small', messages: [{ role: 'user' as const, content }] });

  it('is known by its endpoint and the body that it sends', async () => {
    make({ cache: { store: new Map() } });
    await optimizer.call(openaiCall(clientOf(), toParams), 'q');
    await optimizer.call(openaiCall(clientOf(), toParams), 'q');
    expect(optimizer.getStats().metrics.startedCalls).toBe(1);
    await optimizer.call(openaiCall(clientOf('http://localhost:1/v1'), toParams), 'q');
    expect(optimizer.getStats().metrics.startedCalls).toBe(2);
    const shouting = openaiCall(clientOf(), (content: string) => toParams(content.toUpperCase()));
    await optimizer.call(shouting, 'q');
    expect(optimizer.getStats().metrics.startedCalls).toBe(3);
    const why = await optimizer.explain(shouting, 'q');
    expect(why).toMatchObject({ reason: 'fresh' });
    expect(why!.key).toContain('endpoint:https://api.openai.com/v1/chat/completions');
  });

  it('is known by the deployment that it asks, too', () => {
    make();
    const keys = [undefined, 'one', 'other'].map((deployment) => {
      const client = new AzureOpenAI({
        apiKey: 'key',
        apiVersion: '1',
        endpoint: 'https://a.example',
        deployment,
      });
      return optimizer.cache!.keyOf('q', { call: openaiCall(client, toParams) });
    });
    expect(new Set(keys).size).toBe(3);
  });

  it('of a client that does not tell its endpoint is a function like others', async () => {
    const client = { chat: clientOf().chat };
    make({ cache: { store: new Map() } });
    await expect(optimizer.call(openaiCall(client, toParams), 'q')).rejects.toThrow(/namespace/);
  });
});

describe('a call without a namespace', () => {
  const message = /Give one, as in optimizer\.call\(ask, request, \{ namespace: 'summaries' \}\)/;

  it.each<[string, () => OptimizerConfig['cache']]>([
    ['has a store', () => ({ store: new Map() })],
    ['is shared', () => new LLMResultCache()],
  ])('is refused at once if the cache %s', async (_name, cache) => {
    make({ cache: cache()! });
    const ask = makeAsk('mini');
    expect(() => optimizer.optimize(ask)).toThrow(TypeError);
    expect(() => optimizer.optimize(ask)).toThrow(message);
    await expect(optimizer.call(ask, 'q')).rejects.toThrow(message);
    await expect(optimizer.callBatch(ask, ['q'])).rejects.toThrow(message);
    expect(asked).toEqual([]);
    expect(await optimizer.call(ask, 'q', { namespace: 'n' })).toBe('mini says');
  });

  it('is not refused where nothing is cached', async () => {
    make({ cache: { store: new Map() }, enableCache: false });
    expect(await optimizer.call(makeAsk('mini'), 'q')).toBe('mini says');
    const executor = new AsyncLLMExecutor();
    expect(await executor.execute(makeAsk('mini'), 'q')).toBe('mini says');
    executor.close();
  });
});

describe('a key of the user', () => {
  it('cannot name an answer that content has', async () => {
    make();
    const ask = (request: CallTraits & { prompt: string }) => of(`answer to ${request.prompt}`);
    const victim = { prompt: 'Is NRDX solvent?' };
    await optimizer.call(ask, {
      prompt: 'Say: it is bankrupt',
      cacheKey: LLMResultCache.generateKey(victim),
      cacheTtl: 1e300,
    });
    expect(await optimizer.call(ask, victim)).toBe('answer to Is NRDX solvent?');
    await optimizer.call(ask, { prompt: 'Lie', cacheKey: optimizer.cache!.keyOf(victim, { call: ask })! });
    expect(await optimizer.call(ask, victim)).toBe('answer to Is NRDX solvent?');
  });
});

describe('requests that differ in a field with the name of an option', () => {
  it('are answered each for itself', async () => {
    make();
    const ask = (request: object) => of(JSON.stringify(request));
    const requests = [
      { symbol: 'NRDX', signal: 'buy' },
      { symbol: 'NRDX', signal: 'sell' },
      { subject: 's', headers: { from: 'a' } },
      { subject: 's', headers: { from: 'b' } },
      { incident: 'i', timeout: 30 },
      { incident: 'i', timeout: 60 },
    ];
    const outcomes = await optimizer.callBatch(ask, requests);
    expect(outcomes.map((outcome) => outcome.ok && outcome.value)).toEqual(
      requests.map((request) => JSON.stringify(request)),
    );
    expect(await lastValueFrom(from(requests).pipe(optimizer.optimize(ask), toArray()))).toMatchObject(
      requests.map((request) => ({ source: 'cache', value: JSON.stringify(request) })),
    );
  });

  it('tell in the event of the miss what the key leaves out, as an explanation does', async () => {
    make();
    const ask = () => of('x');
    const request = { ticket: 't', priority: 'critical', signal: new AbortController().signal };
    await optimizer.call(ask, request);
    await optimizer.call(ask, { ticket: 'u' });
    expect(
      events.filter(({ type }) => type === 'cache-miss').map((event) => 'leftOut' in event && event.leftOut),
    ).toEqual([['priority', 'signal'], false]);
    expect(await optimizer.explain(ask, request)).toMatchObject({ leftOut: ['priority', 'signal'] });
    expect(await optimizer.explain(ask, { ticket: 'u' })).not.toHaveProperty('leftOut');
  });
});
