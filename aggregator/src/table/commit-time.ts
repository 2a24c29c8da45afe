// When an entry of a log was committed, as the entry itself says.
import type { ObjectStore } from '../store/store.ts';
import { decodeCommit } from './delta-actions.ts';
import { entryKey } from './log-keys.ts';

/** When an entry was committed. */
export interface CommitTime {
  /** ms since the Unix epoch, by the writer's clock; undefined where the entry does not say: other programs need not. */
  readonly ms: number | undefined;
}

/** Reads the entry of a version; undefined where it is gone. */
export async function readCommitTime(
  store: ObjectStore,
  root: string,
  version: number,
): Promise<CommitTime | undefined> {
  const key = entryKey(root, version);
  const bytes = await store.get(key);
  if (bytes === undefined) return undefined;
  const timestamp = decodeCommit(bytes, key).commitInfo?.['timestamp'];
  return { ms: typeof timestamp === 'number' ? timestamp : undefined };
}
