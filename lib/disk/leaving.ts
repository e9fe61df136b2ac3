import type { Environment, Removal } from './environment';
import { diskBytesOf, idOf } from './rows';

/** What a disk store may hold. */
export interface Bounds {
  readonly entries: number;
  /** Bytes of disk. */
  readonly bytes: number;
}

/** What a commit brings besides what it takes out. */
export interface Arrivals {
  readonly entries: number;
  /** Bytes of disk. */
  readonly bytes: number;
}

/** One commit takes out so many entries besides as many as it brings, so that nobody waits long for it. */
const mostAtOnce = 100;
const mostBytesAtOnce = 4 * 2 ** 20;

/**
 * The entries that leave with a commit besides those that it replaces: expired ones, then the oldest as far as what it
 * brings would not fit.
 */
export function leaving(
  environment: Environment,
  bounds: Bounds,
  arrivals: Arrivals,
  replaced: readonly Removal[],
  now: number,
): Removal[] {
  const { pageSize } = environment;
  const removals: Removal[] = [];
  const taken = new Set(replaced.map(({ id }) => id.toString('latin1')));
  const most = mostAtOnce + Math.max(0, arrivals.entries);
  let entriesOver = environment.size + arrivals.entries - bounds.entries;
  let bytesOver = environment.bytes + arrivals.bytes - bounds.bytes;
  let bytes = 0;
  const take = (removal: Removal) => {
    removals.push(removal);
    taken.add(removal.id.toString('latin1'));
    bytes += removal.length;
    bytesOver -= diskBytesOf(removal.length, pageSize);
    if (removal.key) {
      entriesOver--;
    }
  };
  const isEnough = () => removals.length >= most || bytes >= mostBytesAtOnce;
  const isTaken = (id: Buffer) => taken.has(id.toString('latin1'));

  for (const mark of environment.expired(now, most)) {
    if (isEnough()) {
      break;
    }
    if (!isTaken(idOf(mark))) {
      take(environment.removalOf(idOf(mark), mark));
    }
  }
  if (entriesOver > 0 || bytesOver > 0) {
    for (const id of environment.ids()) {
      if (isEnough() || (entriesOver <= 0 && bytesOver <= 0)) {
        break;
      }
      if (!isTaken(id)) {
        take(environment.removalOf(id));
      }
    }
  }
  return removals;
}
