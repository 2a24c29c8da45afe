// Objects as local files, for what reads or writes files: in place where the store's objects are files, else by way of the
// scratch directory.
import { randomUUID } from 'node:crypto';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FlowtollError } from '../model/errors.ts';
import type { ObjectStore } from './store.ts';
import { cannotWrite } from './unavailable.ts';

/** Calls `work` with the path of a file that holds the object; undefined when there is no such object. */
export async function withLocalFile<T>(
  store: ObjectStore,
  key: string,
  work: (path: string) => Promise<T>,
): Promise<T | undefined> {
  const path = store.localPath?.(key);
  if (path !== undefined) return (await isFile(path)) ? work(path) : undefined;
  return withScratchFile(store, async (scratch) => ((await download(store, key, scratch)) ? work(scratch) : undefined));
}

/** Writes the object into a local file that is not there yet; `false` when there is no such object. */
export async function download(store: ObjectStore, key: string, file: string): Promise<boolean> {
  if (store.download !== undefined) return store.download(key, file);
  const bytes = await store.get(key);
  if (bytes === undefined) return false;
  try {
    await writeFile(file, bytes);
  } catch (error) {
    throw cannotWrite(file, error);
  }
  return true;
}

/** TABLE_INVALID: an object that a log names is not there. */
export function goneFromStore(store: ObjectStore, key: string): FlowtollError {
  return new FlowtollError(
    'TABLE_INVALID',
    `${key} is named by a log and gone from ${store.describe()}: restore it from a backup or an older version of the object, and ` +
      'let no other program vacuum the table with less than 7 days (docs/stores.md)',
  );
}

/**
 * Calls `work` with the paths of files that hold the objects, in their order. Throws TABLE_INVALID when one is not there.
 */
export async function withLocalFiles<T>(
  store: ObjectStore,
  keys: readonly string[],
  work: (paths: readonly string[]) => Promise<T>,
): Promise<T> {
  const { localPath } = store;
  if (localPath !== undefined) {
    const local = keys.map((key) => localPath.call(store, key));
    for (const [i, path] of local.entries()) if (!(await isFile(path))) throw goneFromStore(store, keys[i]!);
    return work(local);
  }
  return withScratchFile(store, async (scratch) => {
    const paths = keys.map((_, i) => `${scratch}-${i}`);
    try {
      for (const [i, key] of keys.entries()) {
        if (!(await download(store, key, paths[i]!))) throw goneFromStore(store, key);
      }
      return await work(paths);
    } finally {
      for (const path of paths) await rm(path, { force: true });
    }
  });
}

/** Calls `work` with the path of a file that is not there yet; it is removed afterwards, where it still is. */
export async function withScratchFile<T>(store: ObjectStore, work: (path: string) => Promise<T>): Promise<T> {
  const path = join(store.scratchDirectory, randomUUID());
  try {
    await mkdir(store.scratchDirectory, { recursive: true });
  } catch (error) {
    throw cannotWrite(store.scratchDirectory, error);
  }
  try {
    return await work(path);
  } finally {
    await rm(path, { force: true });
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
}
