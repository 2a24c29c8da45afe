// The token of a watcher in a file, so that the next one goes on where this one was killed. Written whole or not at all.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { FlowtollError } from '../model/errors.ts';

/** The token; undefined if there is no file. */
export async function readResumeFile(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim() || undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw fileError('read', path, error);
  }
}

export async function writeResumeFile(path: string, token: string): Promise<void> {
  try {
    await writeFile(`${path}.new`, `${token}\n`);
    await rename(`${path}.new`, path);
  } catch (error) {
    throw fileError('written', path, error);
  }
}

function fileError(what: string, path: string, cause: unknown): FlowtollError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new FlowtollError('CONFIG_INVALID', `the file ${path} cannot be ${what}: ${reason} (--resume-file)`, {
    cause,
  });
}
