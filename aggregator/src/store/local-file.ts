// Objects as local files, for what reads or writes files: in place where the store's objects are files, else by way of the
// scratch directory.
import { randomUUID } from 'node:crypto';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
  const bytes = await store.get(key);
  if (bytes === undefined) return undefined;
  return withScratchFile(store, async (scratch) => {
    await writeFile(scratch, bytes);
    return work(scratch);
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
