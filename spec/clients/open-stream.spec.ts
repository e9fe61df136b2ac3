import { Subject } from 'rxjs';
import { openStream } from '../../lib/clients/open-stream';

interface Chunk {
  readonly word: string;
  readonly isLast?: boolean;
}

describe('openStream', () => {
  it('hears chunks out that come after the last one, although its reader has cancelled', async () => {
    const chunks$ = new Subject<Chunk>();
    const toPiece = jest.fn(({ word }: Chunk) => word);
    const opening = openStream(chunks$, toPiece);
    chunks$.next({ word: 'Up.', isLast: true });
    const reader = (await opening).pieces.getReader();
    expect(await reader.read()).toEqual({ done: false, value: 'Up.' });
    await reader.cancel();
    expect(chunks$.observed).toBe(true);
    chunks$.next({ word: 'after' });
    chunks$.complete();
    expect(toPiece).toHaveBeenCalledTimes(1);
    expect(await reader.read()).toEqual({ done: true, value: undefined });
  });

  it('leaves the chunks when its reader cancels before the last one', async () => {
    const chunks$ = new Subject<Chunk>();
    const opening = openStream(chunks$, ({ word }) => word);
    chunks$.next({ word: 'Up' });
    await (await opening).pieces.cancel();
    expect(chunks$.observed).toBe(false);
  });
});
