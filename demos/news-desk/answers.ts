import { diskStore, type DiskStore } from '../../lib/disk';
import { DeskError, reasonOf } from './desk-error';

/**
 * Opens the directory where answers stay from one run to the next, or makes it.
 * @throws DeskError in one sentence if that cannot be
 */
export function openAnswers(directory: string): DiskStore {
  try {
    return diskStore(directory);
  } catch (error) {
    throw new DeskError(`${directory} cannot hold the cache: ${reasonOf(error)}`);
  }
}
