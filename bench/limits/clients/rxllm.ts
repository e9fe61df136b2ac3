import { finalize, map } from 'rxjs';
import { LLMCallOptimizer } from '../../../lib/index';
import { tallied, type Client } from '../client';
import { mostRunning } from '../most-running';

export const rxllm: Client = {
  name: 'rxllm',
  title: 'rxllm',
  setUp:
    '`new LLMCallOptimizer({ maxConcurrent: 100 })`, everything else default; it is told nothing of the limits',
  readsAnswers: true,
  hasPriorities: true,
  run(requests$, provider) {
    const optimizer = new LLMCallOptimizer({ maxConcurrent: mostRunning });
    return tallied(
      requests$.pipe(
        optimizer.optimize(provider.call),
        map(({ ok }) => ok),
        finalize(() => optimizer.close()),
      ),
    );
  },
};
