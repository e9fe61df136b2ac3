/** The failures of a disk store. */
export type DiskStoreFailure =
  | 'lmdb-missing'
  | 'directory-unusable'
  | 'directory-foreign'
  | 'directory-damaged'
  | 'schema-mismatch'
  | 'read-failed'
  | 'write-failed';

/** A disk store cannot be opened, read or written. `code` says why, and the message what to do. */
export class DiskStoreError extends Error {
  override readonly name = 'DiskStoreError';
  constructor(
    /** Stays the same from release to release; messages may change. */
    readonly code: DiskStoreFailure,
    /** The directory as it was given. */
    readonly directory: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** The error for a directory in which a store cannot be opened. */
export function openingError(directory: string, cause: unknown): DiskStoreError {
  const text = `The directory ${directory} cannot hold a store: ${messageOf(cause)}. Give one on a local disk that this process may write to.`;
  return damageError(directory, cause) ?? new DiskStoreError('directory-unusable', directory, text, cause);
}

/** The error for an operation that LMDB or the file system refused on an open store. */
export function accessError(
  code: 'read-failed' | 'write-failed',
  directory: string,
  cause: unknown,
): DiskStoreError {
  const text =
    code === 'read-failed'
      ? `Reading from the store in ${directory} failed: ${messageOf(cause)}. Check the disk.`
      : `Writing to the store in ${directory} failed: ${messageOf(cause)}. Check whether the disk is full.`;
  return damageError(directory, cause) ?? new DiskStoreError(code, directory, text, cause);
}

/** LMDB's codes for a missing page, a page of a wrong kind, and a file that is no database. */
const damageNumbers: ReadonlySet<unknown> = new Set([-30797, -30796, -30793]);

function damageError(directory: string, cause: unknown): DiskStoreError | undefined {
  if (!damageNumbers.has((cause as { code?: unknown } | undefined)?.code)) {
    return undefined;
  }
  const text = `The store in ${directory} is damaged: ${messageOf(cause)}. Delete the directory; its answers will be requested again.`;
  return new DiskStoreError('directory-damaged', directory, text, cause);
}

/** The message of an error as part of a sentence. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0]!.replace(/[.\s]+$/, '');
}
