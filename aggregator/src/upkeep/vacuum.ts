// Files that no reader needs any more leave the store: those that the log removed long enough ago, and those that nobody ever
// named because their writer died. What is not ours, by its name, stays.
import type { ObjectStore } from '../store/store.ts';
import type { DeltaLog } from '../table/delta-log.ts';
import { fileMadeMs } from '../table/file-name.ts';

/**
 * Removes files of the table. Returns how many; with `dryRun` how many it would.
 * @param retentionMs age since its removal, or since it was made, at which a file goes
 */
export async function vacuum(
  store: ObjectStore,
  log: DeltaLog,
  options: { readonly nowMs: number; readonly retentionMs: number; readonly dryRun?: boolean },
): Promise<number> {
  const beforeMs = options.nowMs - options.retentionMs;
  const live = new Set(Array.from(log.files.keys(), decodeURIComponent));
  const removed = new Map(Array.from(log.removed, ([path, timeMs]) => [decodeURIComponent(path), timeMs]));
  const garbage: string[] = [];
  for await (const key of store.list(`${log.root}/`)) {
    const path = key.slice(log.root.length + 1);
    if (path.startsWith('_') || !path.endsWith('.parquet') || live.has(path)) continue;
    // A removal that the log has forgotten is older than the retention; the name then says that the file is, too.
    const sinceMs = removed.get(path) ?? fileMadeMs(path);
    if (sinceMs !== undefined && sinceMs < beforeMs) garbage.push(key);
  }
  if (options.dryRun !== true) for (const key of garbage) await store.delete(key);
  return garbage.length;
}
