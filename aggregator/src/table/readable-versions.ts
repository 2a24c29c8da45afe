// From which version on all rows can still be told by their commits: the log has the entries, and the store has the files
// that they name. Compaction and vacuum move that edge forward. Knows the log and file names; reads no file.
import type { ObjectStore } from '../store/store.ts';
import type { LogTail } from './log-tail.ts';
import { rowChanges } from './row-changes.ts';

/**
 * The first version, `from` or later, such that it and what follows can be told; one above the newest if none can. Vacuum
 * takes the oldest files first, so halving finds the edge; where it took others, the answer is some version that can be told,
 * and a later one that cannot be is found when it is read.
 */
export async function firstReadableVersion(store: ObjectStore, tail: LogTail, from: number): Promise<number> {
  const files = new Set<string>();
  for await (const key of store.list(`${tail.root}/`)) {
    if (key.endsWith('.parquet')) files.add(key);
  }
  /** Whether the version, or the first after it that has rows, can be told. */
  const isReadable = async (version: number): Promise<boolean> => {
    for (let next = version; next <= tail.position.newest; next++) {
      const entry = await tail.entry(next);
      if (entry === undefined) return false;
      const added = rowChanges(entry).files;
      if (added.length > 0) return added.every(({ path }) => files.has(dataFileKey(tail.root, path)));
    }
    return true;
  };
  let low = Math.max(from, (await tail.oldest()) ?? 0);
  let high = tail.position.newest + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isReadable(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Key of a file in the store. Paths in the log are URI-encoded. */
export function dataFileKey(root: string, path: string): string {
  return `${root}/${decodeURIComponent(path)}`;
}
