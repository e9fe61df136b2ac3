import { finalize, map } from 'rxjs';
import { LLMCallOptimizer } from '../../../lib/index';
import { streamClient } from '../client';
import { mostRunning } from '../most-running';

export const rxllm = streamClient({
  name: 'rxllm',
  title: 'rxllm',
  setUp:
    '`new LLMCallOptimizer({ maxConcurrent: 100 })`, everything else default; it is told nothing of the limits',
  readsAnswers: true,
  hasPriorities: true,
  stream(requests$, provider, { scheduler, watch } = {}) {
    const optimizer = new LLMCallOptimizer({ maxConcurrent: mostRunning, ...(scheduler && { scheduler }) });
    watch?.(() => optimizer.limiter?.state);
    return requests$.pipe(
      optimizer.optimize(provider.call),
      map(({ ok }) => ok),
      finalize(() => optimizer.close()),
    );
  },
});
