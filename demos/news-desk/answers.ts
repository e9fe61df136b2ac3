import { diskStore, DiskStoreError, type DiskStore } from '../../lib/disk';
import { DemoError } from '../shared/demo-error';

/**
 * Opens the directory where answers stay from one run to the next, or makes it.
 * @throws DemoError if that cannot be
 */
export function openAnswers(directory: string): DiskStore {
  try {
    return diskStore(directory);
  } catch (error) {
    if (error instanceof DiskStoreError) {
      throw new DemoError(error.message.replace(/\.$/, ''));
    }
    throw error;
  }
}
