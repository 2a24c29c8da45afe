// STORE_UNAVAILABLE: what failed, why, and what to do; for files and directories also what their error codes mean. Knows no
// store.
import { FlowtollError } from '../model/errors.ts';

/** `what` failed, because of `cause`; `hint` says what to do. `reason` where the cause itself does not say it best. */
export function unavailable(what: string, hint: string, cause: unknown, reason = reasonOf(cause)): FlowtollError {
  return new FlowtollError('STORE_UNAVAILABLE', `${what}${reason === '' ? '' : ` (${reason})`}: ${hint}`, { cause });
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? (codeOf(cause) ?? cause.message) : '';
}

/** A file or directory of the store, or of the scratch folder of one, could not be written. `code` where the error itself does not carry it. */
export function cannotWrite(path: string, cause: unknown, code = codeOf(cause)): FlowtollError {
  return unavailable(`cannot write ${path}`, hintFor(code), cause);
}

/** A local file that is to be put into the store could not be read. */
export function cannotRead(path: string, cause: unknown): FlowtollError {
  return unavailable(
    `cannot read ${path}`,
    'check that it exists and that the user of this process may read it',
    cause,
  );
}

/** "ENOENT"; undefined for what is no error of the system. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Where directories come from. */
const SETTINGS = '--store; TMPDIR if the store is not a directory';

/** An error of a local file: it names a path. */
export function isFileError(error: unknown): boolean {
  return codeOf(error) !== undefined && error instanceof Error && 'path' in error;
}

function hintFor(code: string | undefined): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `give the user of this process the right to write there, or name another directory (${SETTINGS})`;
    case 'EROFS':
      return `the file system is read-only: name another directory (${SETTINGS})`;
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the file system is full: free space; agents keep their batches meanwhile';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of the path is a file: name a directory with --store';
    default:
      return `check the directory (${SETTINGS})`;
  }
}
