// A Delta table's log in an object store: replaying it from its newest checkpoint, and adding one entry to it atomically.
// Protocol 1/2 (Delta PROTOCOL.md). Knows actions; knows nothing of flows or batches. Who writes checkpoints and removes old
// entries: log-upkeep.ts.
import { FlowtollError } from '../model/errors.ts';
import { withLocalFile } from '../store/local-file.ts';
import type { ObjectStore, PutIfAbsentResult } from '../store/store.ts';
import { readCheckpoint } from './checkpoint.ts';
import {
  type AddAction,
  type Commit,
  decodeCommit,
  encodeCommit,
  type MetaDataAction,
  type ProtocolAction,
  type TxnAction,
} from './delta-actions.ts';
import { entryFingerprint } from './entry-fingerprint.ts';
import { checkpointKey, entryKey, hintedVersion, lastCheckpointKey } from './log-keys.ts';
import { listLogFrom } from './log-listing.ts';
import { requireReadableProtocol, requireWritableProtocol } from './protocol.ts';

/** A conditional write of which the store reports an error is tried this often before the caller hears of it. */
const PUT_ATTEMPTS = 3;

/** Entries that are fetched at once. */
const GETS_AT_ONCE = 8;

/** Readings of a log of which parts vanish meanwhile. Clean-up takes them once a week or so. */
const READ_ATTEMPTS = 3;

/** An object of the log was listed and is not there. */
class VanishedError extends FlowtollError {
  constructor(key: string, store: ObjectStore) {
    super('TABLE_INVALID', `${key} vanished from ${store.describe()} while it was read`);
  }
}

export class DeltaLog {
  readonly #store: ObjectStore;
  /** Key of the table's root, without a slash at the end. */
  readonly root: string;
  /** Version of the last entry read; -1 while there is none. */
  version = -1;
  protocol: ProtocolAction | undefined;
  metaData: MetaDataAction | undefined;
  /** The latest transaction of each application. */
  readonly txns = new Map<string, TxnAction>();
  /** The files of the table, by path. */
  readonly files = new Map<string, AddAction>();
  /**
   * Files that were taken out, and when (ms since the Unix epoch); where nobody says when, it is now, and never long ago.
   * Forgotten as `forgetBefore` says.
   */
  readonly removed = new Map<string, number>();
  /** Version of the newest checkpoint that is known; -1 while none is. */
  checkpointVersion = -1;
  /** Bytes of the entries after it. */
  bytesSinceCheckpoint = 0;
  /** Names the content of the last entry read; undefined where a checkpoint was read in its place. */
  #lastEntry: string | undefined;
  readonly #now: () => number;

  /** @param now milliseconds since the Unix epoch */
  constructor(store: ObjectStore, root: string, now: () => number = Date.now) {
    this.#store = store;
    this.root = root;
    this.#now = now;
  }

  /**
   * Reads what was added since the last time. By listing, not by asking for the next version: whoever slept while the log
   * was cleaned up would find nothing under the next number and take the log for ended. The last entry read must still be
   * there, and say the same: where a volume is not mounted there is an empty folder, where another one is, or a backup was
   * restored, there is another log. Throws STORE_UNAVAILABLE then.
   */
  async refresh(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#readOn();
      } catch (error) {
        // What was listed may have been cleaned up before it was read: a new listing begins where the log does now.
        if (!(error instanceof VanishedError) || attempt >= READ_ATTEMPTS) throw error;
      }
    }
  }

  async #readOn(): Promise<void> {
    if (this.version < 0) await this.#loadHintedCheckpoint();
    const found = await this.#list();
    if (!found.lastIsThere) {
      if (found.checkpoint <= this.version) throw this.#gone();
      // We slept, and entries that we have not read were removed: the newest checkpoint holds what they said.
      await this.#loadCheckpoint(found.checkpoint);
    } else if ((await this.#lookAtLast()) === 'other') throw this.#replaced();
    await this.#readEntries(found.entries.filter((version) => version > this.version));
    if (found.checkpoint > this.checkpointVersion) this.checkpointedAt(found.checkpoint);
  }

  /** Somebody wrote a checkpoint of a version that was read. */
  checkpointedAt(version: number): void {
    if (version <= this.checkpointVersion) return;
    this.checkpointVersion = version;
    this.bytesSinceCheckpoint = 0;
  }

  /** Forgets transactions that were updated, and files that were taken out before; ms since the Unix epoch. */
  forgetBefore({ txnsMs, removesMs }: { readonly txnsMs: number; readonly removesMs: number }): void {
    for (const { appId, lastUpdated = txnsMs } of this.txns.values()) if (lastUpdated < txnsMs) this.txns.delete(appId);
    for (const [path, removedMs] of this.removed) if (removedMs < removesMs) this.removed.delete(path);
  }

  /** What is in the log after the last entry read, and whether that is still there. */
  async #list(): Promise<{ lastIsThere: boolean; entries: number[]; checkpoint: number }> {
    const entries: number[] = [];
    let lastIsThere = this.version < 0;
    let checkpoint = -1;
    for await (const { kind, version } of listLogFrom(this.#store, this.root, this.version)) {
      if (kind === 'checkpoint') checkpoint = version;
      else if (version === this.version) lastIsThere = true;
      else if (version > this.version) entries.push(version);
    }
    // A log that begins with a checkpoint, and no hint at it.
    if (this.version < 0 && entries.length > 0 && entries[0] !== 0) lastIsThere = false;
    return { lastIsThere, entries, checkpoint };
  }

  async #readEntries(versions: readonly number[]): Promise<void> {
    for (let at = 0; at < versions.length; at += GETS_AT_ONCE) {
      const some = versions.slice(at, at + GETS_AT_ONCE);
      const contents = await Promise.all(some.map((version) => this.#store.get(entryKey(this.root, version))));
      for (const [i, bytes] of contents.entries()) this.#take(some[i]!, bytes);
    }
  }

  #take(version: number, bytes: Uint8Array | undefined): void {
    if (version !== this.version + 1) {
      throw new FlowtollError(
        'TABLE_INVALID',
        `the log of the table ${this.root} in ${this.#store.describe()} goes from version ${this.version} to ${version}: ` +
          'entries are missing; restore them from a backup, or start a new table',
      );
    }
    const key = entryKey(this.root, version);
    if (bytes === undefined) {
      throw new VanishedError(key, this.#store);
    }
    this.#apply(decodeCommit(bytes, key), version, bytes);
  }

  /** What is where the last entry was read: the same, nothing, or another one. */
  async #lookAtLast(): Promise<'same' | 'nothing' | 'other'> {
    if (this.version < 0) return 'same';
    const bytes = await this.#store.get(entryKey(this.root, this.version));
    if (bytes === undefined) return 'nothing';
    return this.#lastEntry === undefined || this.#lastEntry === entryFingerprint(bytes) ? 'same' : 'other';
  }

  /** The hint may be old, or missing: then listing finds what there is. */
  async #loadHintedCheckpoint(): Promise<void> {
    const version = hintedVersion(await this.#store.get(lastCheckpointKey(this.root)));
    if (version !== undefined) await this.#loadCheckpoint(version, true);
  }

  async #loadCheckpoint(version: number, mayBeMissing = false): Promise<void> {
    const key = checkpointKey(this.root, version);
    const state = await withLocalFile(this.#store, key, (path) => readCheckpoint(path, key));
    if (state === undefined) {
      if (mayBeMissing) return;
      throw new VanishedError(key, this.#store);
    }
    if (this.metaData !== undefined && state.metaData?.id !== this.metaData.id) throw this.#replaced();
    this.protocol = state.protocol;
    this.metaData = state.metaData;
    this.txns.clear();
    for (const txn of state.txns) this.txns.set(txn.appId, txn);
    this.files.clear();
    for (const add of state.adds) this.files.set(add.path, add);
    this.removed.clear();
    for (const { path, deletionTimestamp } of state.removes) this.removed.set(path, deletionTimestamp ?? this.#now());
    this.version = version;
    this.#lastEntry = undefined;
    this.checkpointVersion = version;
    this.bytesSinceCheckpoint = 0;
  }

  /**
   * Adds `commit` as the entry after the last one read. `true`: it is in the log, and applied here. `false`: somebody else's
   * is; refresh and try again. Throws STORE_UNAVAILABLE when nobody knows: the entry may be in the log, or get there.
   */
  async append(commit: Commit & { readonly commitInfo: { readonly commitId: string } }): Promise<boolean> {
    const version = this.version + 1;
    const key = entryKey(this.root, version);
    const bytes = encodeCommit(commit);
    for (let attempt = 1; ; attempt++) {
      const result = await this.#tryPut(key, bytes);
      if (result === 'created') {
        break;
      }
      // An answer that was lost may have hidden a success, so the entry itself decides.
      const found = await this.#store.get(key);
      if (found !== undefined) {
        if (decodeCommit(found, key).commitInfo?.commitId === commit.commitInfo.commitId) {
          break;
        }
        return false;
      }
      if (attempt >= PUT_ATTEMPTS) {
        throw result instanceof FlowtollError
          ? result
          : new FlowtollError(
              'STORE_UNAVAILABLE',
              `${this.#store.describe()} says that ${key} exists, and has no such object`,
            );
      }
    }
    // It must follow the one before, or it is in nobody's table: the volume may have gone since the log was read, or we slept for
    // days and put it where entries have been and gone (they go in rising order). Reading the log anew tells which.
    const before = await this.#lookAtLast();
    if (before !== 'same') {
      await this.#store.delete(key);
      if (before === 'other') throw this.#replaced();
      return false;
    }
    this.#apply(commit, version, bytes);
    return true;
  }

  /** Throws TABLE_INVALID unless this code may read the table. */
  requireReadable(): void {
    if (this.protocol === undefined || this.metaData === undefined) {
      throw new FlowtollError(
        'TABLE_INVALID',
        `the log of the table ${this.root} names no protocol or no schema: it is damaged, or not a Delta table`,
      );
    }
    requireReadableProtocol(this.protocol, this.#describe());
  }

  /** Throws TABLE_INVALID unless this code may write the table. */
  requireWritable(): void {
    this.requireReadable();
    requireWritableProtocol(this.protocol!, this.#describe());
  }

  #describe(): string {
    return `the table ${this.root} in ${this.#store.describe()}`;
  }

  async #tryPut(key: string, bytes: Uint8Array): Promise<PutIfAbsentResult | FlowtollError> {
    try {
      return await this.#store.putIfAbsent(key, bytes);
    } catch (error) {
      if (error instanceof FlowtollError && error.code === 'STORE_UNAVAILABLE') {
        return error;
      }
      throw error;
    }
  }

  #apply(commit: Commit, version: number, bytes: Uint8Array): void {
    this.bytesSinceCheckpoint += bytes.length;
    this.protocol = commit.protocol ?? this.protocol;
    this.metaData = commit.metaData ?? this.metaData;
    for (const txn of commit.txns) {
      this.txns.set(txn.appId, txn);
    }
    const committedMs = commit.commitInfo?.['timestamp'];
    for (const { path, deletionTimestamp } of commit.removes) {
      this.files.delete(path);
      this.removed.set(path, deletionTimestamp ?? (typeof committedMs === 'number' ? committedMs : this.#now()));
    }
    for (const { stats: _, ...add } of commit.adds) {
      // Statistics are for readers that skip files; thousands of them would only fill our memory.
      this.files.set(add.path, add);
    }
    this.version = version;
    this.#lastEntry = entryFingerprint(bytes);
  }

  #replaced(): FlowtollError {
    return new FlowtollError(
      'STORE_UNAVAILABLE',
      `${this.#store.describe()} has another table ${this.root} than the one that was read up to version ${this.version}: mount ` +
        'the volume again that was there, or, if what is there now is meant (a restored backup), restart this process',
    );
  }

  #gone(): FlowtollError {
    if (this.version < 0) {
      return new FlowtollError(
        'TABLE_INVALID',
        `the log of the table ${this.root} in ${this.#store.describe()} does not begin at version 0, and has no checkpoint: ` +
          'entries are missing; restore them from a backup, or start a new table',
      );
    }
    return new FlowtollError(
      'STORE_UNAVAILABLE',
      `the table ${this.root} is gone from ${this.#store.describe()}: it was there at version ${this.version}; mount the ` +
        'volume again, or restart with --store as it is now meant to be',
    );
  }
}
