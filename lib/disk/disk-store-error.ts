/** What is wrong with a disk store. */
export type DiskStoreFailure =
  | 'lmdb-missing'
  | 'directory-unusable'
  | 'directory-foreign'
  | 'directory-damaged'
  | 'schema-mismatch'
  | 'read-failed'
  | 'write-failed';

/** A disk store cannot be opened, read or written; `code` tells why, and the message what to do about it. */
export class DiskStoreError extends Error {
  override readonly name = 'DiskStoreError';
  constructor(
    /** Stays the same from release to release, as messages need not. */
    readonly code: DiskStoreFailure,
    /** The directory as it was given. */
    readonly directory: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** LMDB's own numbers for a database that is not what it should be. */
const damageNumbers: ReadonlySet<unknown> = new Set([-30797, -30796, -30795, -30793]);

/** The error for something that LMDB or the file system refused to do with a store that is open. */
export function accessError(
  failure: 'read-failed' | 'write-failed',
  directory: string,
  cause: unknown,
): DiskStoreError {
  if (damageNumbers.has((cause as { code?: unknown } | undefined)?.code)) {
    return damageError(directory, messageOf(cause), cause);
  }
  const [what, advice] =
    failure === 'read-failed'
      ? ['Reading from', 'See whether its disk is in order.']
      : ['Writing to', 'See whether its disk is full.'];
  return new DiskStoreError(
    failure,
    directory,
    `${what} the store in ${directory} failed: ${messageOf(cause)}. ${advice}`,
    cause,
  );
}

/** The error for a store that is not whole. */
export function damageError(directory: string, what: string, cause?: unknown): DiskStoreError {
  return new DiskStoreError(
    'directory-damaged',
    directory,
    `The store in ${directory} is damaged: ${what}. Delete the directory; what it held will be asked for anew.`,
    cause,
  );
}

/** What an error says, as part of a sentence. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/[.\s]+$/, '') : String(error);
}
