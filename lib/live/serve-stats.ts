import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LLMCallOptimizer } from 'rxllm';
import { statsHandler, type StatsHandlerOptions } from './stats-handler';

/** The config of {@link serveStats}. */
export interface ServeStatsOptions extends StatsHandlerOptions {
  /** The port of the server; 0 takes a free one. @defaultValue 9797 */
  readonly port?: number;
  /** The address of the server. With the default, only programs of this machine reach it. @defaultValue `127.0.0.1` */
  readonly host?: string;
  /** Whether the server keeps the process alive. @defaultValue false */
  readonly keepAlive?: boolean;
}

/** A server of the live view. */
export interface StatsServer {
  /** The address of the page: `http://127.0.0.1:9797/`. */
  readonly url: string;
  readonly port: number;
  /** Ends all connections. Resolves when the port is free. */
  close(): Promise<void>;
}

/** Another program, or another live view, already uses the port. */
export class PortTakenError extends Error {
  readonly code = 'port-taken';
  override readonly name = 'PortTakenError';
  constructor(
    readonly port: number,
    cause: unknown,
  ) {
    super(`Port ${port} is taken. Give serveStats another port, or port: 0 for a free one.`, {
      cause,
    });
  }
}

/**
 * Serves the live view of an optimizer on its own port: the page, `/events`, `/state.json` and `/metrics`. Rejects with
 * `PortTakenError` if the port is taken, with Node's error if listening fails for another reason, and with a TypeError
 * if an option has a wrong value.
 *
 * @example
 * const { url, close } = await serveStats(optimizer, { port: 9797 });
 * console.log(`Look at ${url}`);
 */
export async function serveStats(
  optimizer: LLMCallOptimizer,
  options: ServeStatsOptions = {},
): Promise<StatsServer> {
  const { port = 9797, host = '127.0.0.1', keepAlive = false, allowedHosts = [] } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new TypeError(`port must be a whole number from 0 to 65535, but is ${String(port)}.`);
  }
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const handler = statsHandler(optimizer, { ...options, allowedHosts: [...allowedHosts, shownHost] });
  const server = createServer(handler);
  if (!keepAlive) {
    server.unref().on('connection', (socket) => socket.unref());
  }
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    handler.close();
    throw (error as { code?: unknown }).code === 'EADDRINUSE' ? new PortTakenError(port, error) : error;
  }
  const address = server.address() as AddressInfo;
  return {
    url: `http://${shownHost}:${address.port}/`,
    port: address.port,
    async close() {
      handler.close();
      if (server.listening) {
        server.close();
        server.closeAllConnections();
        await once(server, 'close');
      }
    },
  };
}
