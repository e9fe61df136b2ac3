import { get } from 'node:http';
import { LLMCallOptimizer } from '../../lib/index';
import { serveStats } from '../../lib/live';

/** Serves, has a page listen, and does nothing more: the process ends by itself all the same. */
async function main(): Promise<void> {
  const optimizer = new LLMCallOptimizer();
  const { url } = await serveStats(optimizer, { port: 0 });
  await new Promise((resolve) =>
    get(`${url}events`, (response) => {
      response.socket.unref();
      response.once('data', resolve);
    }),
  );
  console.log('served');
}

void main();
