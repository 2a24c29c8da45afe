// STORE_UNAVAILABLE for files and directories: what failed, and what to do about the system's error code. Knows no store.
import { FlowtollError } from '../model/errors.ts';

/** `what` failed, because of `cause`; `hint` says what to do. */
export function unavailable(what: string, hint: string, cause: unknown): FlowtollError {
  const reason = cause instanceof Error ? ` (${codeOf(cause) ?? cause.message})` : '';
  return new FlowtollError('STORE_UNAVAILABLE', `${what}${reason}: ${hint}`, { cause });
}

/** A file or directory of the store could not be written. `code` where the error itself does not carry it. */
export function cannotWrite(path: string, cause: unknown, code = codeOf(cause)): FlowtollError {
  return unavailable(`cannot write ${path}`, hintFor(code), cause);
}

/** "ENOENT"; undefined for what is no error of the system. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function hintFor(code: string | undefined): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'give the user of this process the right to write there, or name another directory with --store';
    case 'EROFS':
      return 'the file system is read-only: name another directory with --store';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the file system is full: free space; agents keep their batches meanwhile';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of the path is a file: name a directory with --store';
    default:
      return 'check the directory given as --store';
  }
}
