import { map } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { mergeWithConcurrency, unwrapOutcomes } from 'rxllm';
import { SimulatedProvider } from 'rxllm/testing';

describe('a pipeline against a simulated provider', () => {
  it('survives a refusal', () => {
    const testScheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    testScheduler.run(({ cold, expectObservable, flush }) => {
      // One request a second, and no more than one at once.
      const provider = new SimulatedProvider<string>({
        limits: [{ of: 'requests', limit: 60, depth: 1 }],
        latency: { base: 300, perOutputToken: 0, refusal: 100 },
      });

      const answers$ = cold('(ab|)').pipe(
        mergeWithConcurrency(provider.call, { maxConcurrent: 2, retry: { random: () => 0 } }),
        unwrapOutcomes(),
        map((answer) => answer.content),
      );

      // The second call is refused after 100 ms, told to wait for a second, and answered 300 ms after that.
      expectObservable(answers$).toBe('300ms a 1099ms (b|)', { a: 'answer 1', b: 'answer 3' });
      flush();
      expect(provider.statistics).toMatchObject({ calls: 3, answered: 2, refused: 1 });
    });
  });
});
