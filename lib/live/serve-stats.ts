import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LLMCallOptimizer } from 'rxllm';
import { statsHandler, type StatsHandlerOptions } from './stats-handler';

/** The config of {@link serveStats}. */
export interface ServeStatsOptions extends StatsHandlerOptions {
  /** Default 9797; 0 takes a free one. */
  readonly port?: number;
  /** The address that it listens on. Default `127.0.0.1`: nobody else reaches it. */
  readonly host?: string;
  /** Whether the process goes on for it when all else is done. Default false. */
  readonly keepAlive?: boolean;
}

/** A server of the live view. */
export interface StatsServer {
  /** Where the page is: `http://127.0.0.1:9797/`. */
  readonly url: string;
  readonly port: number;
  /** Ends all connections; resolves when the port is free. */
  close(): Promise<void>;
}

/** The port is taken by another program, or by another live view. */
export class PortTakenError extends Error {
  readonly code = 'port-taken';
  override readonly name = 'PortTakenError';
  constructor(
    readonly port: number,
    cause: unknown,
  ) {
    super(`Port ${port} is taken. Give another one to serveStats, or port: 0 for any that is free.`, {
      cause,
    });
  }
}

/**
 * Serves the live view of an optimizer on a port of its own: the page, `/events`, `/state.json` and `/metrics`.
 *
 * @example
 * const { url, close } = await serveStats(optimizer, { port: 9797 });
 * console.log(`Look at ${url}`);
 *
 * @throws PortTakenError when the port is taken, the error of Node when it cannot be listened on for another reason, and
 * TypeError for options that name a wrong value, as a rejection
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
