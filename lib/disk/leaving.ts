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
const mostAtOnce = 250;
const mostBytesAtOnce = 4 * 2 ** 20;

/** The entries that leave with a commit: expired ones, then the oldest as far as what it brings would not fit. */
export function leaving(
  environment: Environment,
  bounds: Bounds,
  arrivals: Arrivals,
  now: number,
): Removal[] {
  const { pageSize } = environment;
  const removals: Removal[] = [];
  const taken = new Set<string>();
  const most = mostAtOnce + arrivals.entries;
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

  for (const mark of environment.expired(now, most)) {
    if (isEnough()) {
      break;
    }
    take(environment.removalOf(idOf(mark), mark));
  }
  if (entriesOver > 0 || bytesOver > 0) {
    for (const id of environment.ids()) {
      if (isEnough() || (entriesOver <= 0 && bytesOver <= 0)) {
        break;
      }
      if (!taken.has(id.toString('latin1'))) {
        take(environment.removalOf(id));
      }
    }
  }
  return removals;
}
