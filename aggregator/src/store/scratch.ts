// A local folder for files on their way to a store that is not local. Knows folders; knows no store.
import { lstat, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { requirePlainPath } from './plain-path.ts';
import { cannotWrite, codeOf, unavailable } from './unavailable.ts';

/** A file this old belongs to nobody any more: no write takes a day. */
const MAX_AGE_MS = 24 * 3600 * 1000;

/**
 * The user's folder for such files, below the system's for temporary ones (TMPDIR); all processes of the user share it. Made
 * if need be; what crashed processes left in it long ago goes. Throws STORE_UNAVAILABLE if it cannot be written, or is
 * somebody else's: everybody may make folders where temporary files are; CONFIG_INVALID for a path that DuckDB takes for a pattern.
 */
export async function openScratchDirectory(parent: string = tmpdir()): Promise<string> {
  const { uid } = userInfo();
  const folder = join(parent, `flowtoll-scratch-${uid}`);
  requirePlainPath(folder, 'TMPDIR');
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') {
      throw cannotWrite(folder, error);
    }
  }
  const info = await lstat(folder);
  if (!info.isDirectory() || (uid >= 0 && info.uid !== uid)) {
    throw unavailable(
      `cannot use ${folder} for files on their way to the store`,
      'it is not a directory of the user of this process: remove it, or set TMPDIR to another directory',
      undefined,
    );
  }
  await removeStale(folder);
  return folder;
}

/** Removes files that nobody will put any more. */
export async function removeStale(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > MAX_AGE_MS) {
      await rm(path, { force: true, recursive: true });
    }
  }
}
