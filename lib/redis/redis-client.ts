import { sha1 } from '@noble/hashes/legacy';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';

/** The used methods of an ioredis or iovalkey client. */
export interface IORedisLike {
  defineCommand: unknown;
  evalsha(digest: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>;
  eval(script: string, keys: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** The used methods of a node-redis client. */
export interface NodeRedisLike {
  evalSha(digest: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** The used methods of a Valkey GLIDE client. */
export interface GlideLike {
  customCommand(words: string[]): Promise<unknown>;
}

/**
 * A connection to Redis (6.2 or later) or Valkey (7.2 or later) that you made: a client or cluster of ioredis,
 * iovalkey, node-redis (connected) or Valkey GLIDE. It is recognised by its methods, so you need only your own client
 * library.
 */
export type RedisClient = IORedisLike | NodeRedisLike | GlideLike;

/** A script with its digest, by which a server that has run it knows it. */
export class RedisScript {
  readonly digest: string;

  constructor(readonly text: string) {
    this.digest = bytesToHex(sha1(utf8ToBytes(text)));
  }
}

/** Runs a script by its digest, or by its text on a server that does not know it yet. */
export type RunScript = (script: RedisScript, keys: string[], values: string[]) => Promise<unknown>;

type Send = (
  command: 'EVALSHA' | 'EVAL',
  script: string,
  keys: string[],
  values: string[],
) => Promise<unknown>;

/**
 * Makes a function that runs scripts over a client.
 *
 * @throws TypeError if the client is not a known one
 */
export function scriptsOver(client: RedisClient): RunScript {
  const send = sendingOver(client);
  return async (script, keys, values) => {
    try {
      return await send('EVALSHA', script.digest, keys, values);
    } catch (error) {
      // After a restart or a failover, the server knows no scripts. It learns this one with the call.
      if (!/NO_?SCRIPT/i.test(String((error as Partial<Error> | undefined)?.message ?? error))) {
        throw error;
      }
      return send('EVAL', script.text, keys, values);
    }
  };
}

function sendingOver(client: RedisClient): Send {
  const methods = client as Partial<IORedisLike & NodeRedisLike & GlideLike> | null | undefined;
  if (typeof methods?.defineCommand === 'function' && typeof methods.evalsha === 'function') {
    const io = client as IORedisLike;
    return (command, script, keys, values) =>
      command === 'EVAL'
        ? io.eval(script, keys.length, ...keys, ...values)
        : io.evalsha(script, keys.length, ...keys, ...values);
  }
  if (typeof methods?.evalSha === 'function' && typeof methods.eval === 'function') {
    const node = client as NodeRedisLike;
    return (command, script, keys, values) =>
      command === 'EVAL'
        ? node.eval(script, { keys, arguments: values })
        : node.evalSha(script, { keys, arguments: values });
  }
  if (typeof methods?.customCommand === 'function') {
    const glide = client as GlideLike;
    return (command, script, keys, values) =>
      glide.customCommand([command, script, String(keys.length), ...keys, ...values]);
  }
  throw new TypeError(
    'client must be a client of ioredis, iovalkey, node-redis or Valkey GLIDE: it has none of their methods for scripts (evalsha, evalSha, customCommand).',
  );
}
