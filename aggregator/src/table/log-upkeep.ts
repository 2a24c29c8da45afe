// What keeps a Delta log short: checkpoints, so that a replica starts in seconds, and the removal of entries that a checkpoint
// has made superfluous. Any replica may do either, at any time, and die at any point: a checkpoint is a pure function of the
// log, and entries go oldest first.
import { FlowtollError } from '../model/errors.ts';
import { withLocalFile, withLocalFiles, withScratchFile } from '../store/local-file.ts';
import type { ObjectStore } from '../store/store.ts';
import { writeCheckpoint } from './checkpoint.ts';
import { decodeCommit } from './delta-actions.ts';
import type { DeltaLog } from './delta-log.ts';
import { checkpointKey, entryKey, hintedVersion, lastCheckpointKey, parseLogKey } from './log-keys.ts';
import { inTurn } from './memory-turn.ts';

/** When a checkpoint is due, and how long the log remembers. */
export interface LogUpkeepRules {
  /** Bytes of entries since the last checkpoint: what a starting replica reads besides it. */
  readonly checkpointBytes: number;
  /** Entries since the last checkpoint: each is a request for whoever starts. */
  readonly checkpointEntries: number;
  /** For how long transactions are remembered, ms. */
  readonly txnRetentionMs: number;
  /** For how long removed files are remembered, ms: vacuum needs to know them no longer. */
  readonly removeRetentionMs: number;
}

const DAY_MS = 86_400_000;

/** For how long entries stay that a checkpoint made superfluous: for readers of older versions, and for watchers. */
export const LOG_RETENTION_MS = 7 * DAY_MS;

/** 8 MiB are read and decoded in a fraction of a second; a hundred requests, eight at once, take about as long. */
export const CHECKPOINT_BYTES = 8 << 20;
export const CHECKPOINT_ENTRIES = 100;

/** Whether the log has grown enough. */
export function isCheckpointDue(log: DeltaLog, rules: LogUpkeepRules): boolean {
  const entries = log.version - log.checkpointVersion;
  return log.bytesSinceCheckpoint >= rules.checkpointBytes || entries >= rules.checkpointEntries;
}

/**
 * Writes a checkpoint of the version that `log` has read, and the hint at it; `false` when there is one, or another replica has
 * written one meanwhile. Throws TABLE_INVALID where this code may not write. Reads the log's own state only at its beginning: commits may go on meanwhile.
 * @param beforeWrite called when the file is about to be made, in turn with commits: that takes tens of megabytes for a moment
 */
export async function checkpointLog(
  store: ObjectStore,
  log: DeltaLog,
  rules: LogUpkeepRules,
  nowMs: number,
  beforeWrite: () => void = () => undefined,
): Promise<boolean> {
  const { root, version } = log;
  const previousVersion = log.checkpointVersion;
  if (previousVersion === version) return false;
  // What a newer protocol says would be lost in it.
  log.requireWritable();
  const forgetBefore = { txnsMs: nowMs - rules.txnRetentionMs, removesMs: nowMs - rules.removeRetentionMs };
  const hinted = await hintedAfter(store, root, previousVersion);
  if (hinted !== undefined) {
    log.checkpointedAt(hinted);
    log.forgetBefore(forgetBefore);
    return false;
  }
  const keys = Array.from({ length: version - previousVersion }, (_, i) => entryKey(root, previousVersion + 1 + i));
  const result = await withLocalFiles(store, keys, (entries) =>
    withPrevious(store, root, previousVersion, (previous) =>
      withScratchFile(store, async (file) => {
        const { txnsMs: txnsAfterMs, removesMs: removesAfterMs } = forgetBefore;
        const written = await inTurn(() => {
          beforeWrite();
          return writeCheckpoint({ previous, entries, txnsAfterMs, removesAfterMs, nowMs }, file);
        });
        await store.put(checkpointKey(root, version), { file });
        return written;
      }),
    ),
  );
  // Somebody else's may be newer by now; an older hint costs a reader some entries, no more.
  if ((await hintedAfter(store, root, version)) === undefined) {
    const hint = { version, size: result.rows, numOfAddFiles: result.files };
    await store.put(lastCheckpointKey(root), Buffer.from(JSON.stringify(hint)));
  }
  log.checkpointedAt(version);
  log.forgetBefore(forgetBefore);
  return true;
}

/**
 * Removes entries and checkpoints that no reader of the last `retentionMs` needs: all before the newest checkpoint that is as
 * old as that. Returns how many objects it removed; with `dryRun` how many it would.
 */
export async function cleanLog(
  store: ObjectStore,
  root: string,
  options: {
    readonly nowMs: number;
    readonly retentionMs: number;
    /** Entries from this version on stay, however old. Default: none has to. */
    readonly keepFrom?: number;
    readonly dryRun?: boolean;
  },
): Promise<number> {
  const objects: { readonly key: string; readonly version: number }[] = [];
  const checkpoints: number[] = [];
  for await (const key of store.list(`${root}/_delta_log/`)) {
    const parsed = parseLogKey(key);
    if (parsed === undefined) continue;
    objects.push({ key, version: parsed.version });
    if (parsed.kind === 'checkpoint') checkpoints.push(parsed.version);
  }
  const mayGo = checkpoints.filter((version) => version <= (options.keepFrom ?? Number.POSITIVE_INFINITY));
  const keep = await newestBefore(store, root, mayGo, options.nowMs - options.retentionMs);
  const superfluous = objects.filter(({ version }) => version < keep);
  if (options.dryRun === true) return superfluous.length;
  // In rising order, one after another: where an entry is missing, all before it are (DeltaLog#append counts on it).
  for (const { key } of superfluous) await store.delete(key);
  return superfluous.length;
}

/**
 * The newest of the checkpoints whose entry was committed before; 0 when there is none. By halving: a week of a large cluster has
 * hundreds. Clocks of replicas differ; where that matters it is one that is a little older.
 */
async function newestBefore(
  store: ObjectStore,
  root: string,
  checkpoints: readonly number[],
  beforeMs: number,
): Promise<number> {
  let newest = 0;
  let low = 0;
  let high = checkpoints.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    // An entry that does not say when, or that somebody has just cleaned away, is as the one before.
    let at = middle;
    let timeMs = await committedMs(store, root, checkpoints[at]!);
    while (timeMs === undefined && at > low) timeMs = await committedMs(store, root, checkpoints[--at]!);
    if (timeMs !== undefined && timeMs > beforeMs) {
      high = at;
    } else {
      if (timeMs !== undefined) newest = checkpoints[at]!;
      low = middle + 1;
    }
  }
  return newest;
}

/** When the version was committed; undefined when its entry is gone or does not say. */
async function committedMs(store: ObjectStore, root: string, version: number): Promise<number | undefined> {
  const key = entryKey(root, version);
  const bytes = await store.get(key);
  const timestamp = bytes && decodeCommit(bytes, key).commitInfo?.['timestamp'];
  return typeof timestamp === 'number' ? timestamp : undefined;
}

/** The version that the hint names, where that is later than `version` and such a checkpoint is there; else undefined. */
async function hintedAfter(store: ObjectStore, root: string, version: number): Promise<number | undefined> {
  const hinted = hintedVersion(await store.get(lastCheckpointKey(root)));
  if (hinted === undefined || hinted <= version) return undefined;
  const key = checkpointKey(root, hinted);
  for await (const found of store.list(key)) return found === key ? hinted : undefined;
  return undefined;
}

/** Calls `work` with the file of the checkpoint before, where there is one. */
async function withPrevious<T>(
  store: ObjectStore,
  root: string,
  version: number,
  work: (previous: { version: number; path: string } | undefined) => Promise<T>,
): Promise<T> {
  if (version < 0) return work(undefined);
  const key = checkpointKey(root, version);
  const result = await withLocalFile(store, key, async (path) => ({ value: await work({ version, path }) }));
  if (result === undefined) throw vanished(store, key);
  return result.value;
}

function vanished(store: ObjectStore, key: string): FlowtollError {
  return new FlowtollError('TABLE_INVALID', `${key} vanished from ${store.describe()} while a checkpoint was made`);
}
