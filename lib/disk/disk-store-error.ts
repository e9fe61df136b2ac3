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

/** LMDB's own numbers for a page that is missing, of a wrong kind, or not of a database at all. */
const damageNumbers: ReadonlySet<unknown> = new Set([-30797, -30796, -30793]);

function isDamage(cause: unknown): boolean {
  return damageNumbers.has((cause as { code?: unknown } | undefined)?.code);
}

/** The error for a directory in which a store cannot be opened. */
export function openingError(directory: string, cause: unknown): DiskStoreError {
  return isDamage(cause)
    ? damageError(directory, messageOf(cause), cause)
    : new DiskStoreError(
        'directory-unusable',
        directory,
        `The directory ${directory} cannot hold a store: ${messageOf(cause)}. Give one on a local disk that this process may write to.`,
        cause,
      );
}

/** The error for something that LMDB or the file system refused to do with a store that is open. */
export function accessError(
  failure: 'read-failed' | 'write-failed',
  directory: string,
  cause: unknown,
): DiskStoreError {
  if (isDamage(cause)) {
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

/** What an error says first, as part of a sentence. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0]!.replace(/[.\s]+$/, '');
}
