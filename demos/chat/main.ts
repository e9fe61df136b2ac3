/**
 * Ann asks a question. Bob asks the same one a moment later: he is given at once what Ann has read so far, and both read
 * on in one stream, which is paid once. Cleo comes when it is over, and is given the answer that was kept.
 *
 * Run it: npm run demo:chat
 */
import { concat, ignoreElements, map, merge, of, timer, type Observable } from 'rxjs';
import { LLMCallOptimizer } from '../../lib/index';
import { SimulatedProvider } from '../../lib/testing';

const words = 'Real yields fell, the dollar is weaker, and two central banks said today that they buy.'.split(
  ' ',
);
const provider = new SimulatedProvider<string>({
  tokensOf: () => ({ input: 6, output: words.length }),
  streaming: { timeToFirstToken: 500, tokensPerSecond: 10 },
});
const optimizer = new LLMCallOptimizer();
const pause = (milliseconds: number) => timer(milliseconds).pipe(ignoreElements());

/** What somebody reads who asks after some milliseconds, a word a line, in a column of their own. */
function linesOf(name: string, column: number, asksAfter: number): Observable<string> {
  const answer$ = optimizer.stream(provider.stream, 'Why is gold up?').pipe(map((_, index) => words[index]!));
  return concat(pause(asksAfter), of(`${name} asks`), answer$, of(`${name} is done`)).pipe(
    map((line) => ' '.repeat(column) + line),
  );
}

merge(linesOf('Ann', 0, 0), linesOf('Bob', 16, 1200), linesOf('Cleo', 32, 2500)).subscribe({
  next: (line) => console.log(line),
  error: (error: unknown) => console.error(error),
  complete: () => {
    console.log(`\n${provider.statistics.calls} call for three readers`);
    optimizer.close();
  },
});
