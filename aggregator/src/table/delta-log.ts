// A Delta table's log in an object store: replaying it, and adding one entry to it atomically. Protocol 1/2 (Delta
// PROTOCOL.md). Knows actions; knows nothing of flows or batches.
import { FlowtollError } from '../model/errors.ts';
import type { ObjectStore, PutIfAbsentResult } from '../store/store.ts';
import {
  type AddAction,
  type Commit,
  decodeCommit,
  encodeCommit,
  type MetaDataAction,
  type ProtocolAction,
  type TxnAction,
} from './delta-actions.ts';

/** The widest choice of readers: no table features. */
export const PROTOCOL: ProtocolAction = { minReaderVersion: 1, minWriterVersion: 2 };

/** A conditional write of which the store reports an error is tried this often before the caller hears of it. */
const PUT_ATTEMPTS = 3;

const LOG_ENTRY = /\/(\d{20})\.json$/;

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

  constructor(store: ObjectStore, root: string) {
    this.#store = store;
    this.root = root;
  }

  /**
   * Reads what was added since the last time. By listing, not by asking for the next version: whoever slept while the log
   * was cleaned up would find nothing under the next number and take the log for ended.
   */
  async refresh(): Promise<void> {
    const after = this.version < 0 ? '' : this.#keyOf(this.version);
    for await (const key of this.#store.list(`${this.root}/_delta_log/`, after)) {
      const match = LOG_ENTRY.exec(key);
      if (match === null) {
        continue;
      }
      const version = Number(match[1]);
      if (version !== this.version + 1) {
        throw new FlowtollError(
          'TABLE_INVALID',
          `the log of the table ${this.root} in ${this.#store.describe()} goes from version ${this.version} to ${version}: ` +
            'entries are missing; restore them from a backup, or start a new table',
        );
      }
      const bytes = await this.#store.get(key);
      if (bytes === undefined) {
        throw new FlowtollError('TABLE_INVALID', `${key} vanished from ${this.#store.describe()} while it was read`);
      }
      this.#apply(decodeCommit(bytes, key), version);
    }
  }

  /**
   * Adds `commit` as the entry after the last one read. `true`: it is in the log, and applied here. `false`: somebody else's
   * is; refresh and try again. Throws STORE_UNAVAILABLE when nobody knows: the entry may be in the log, or get there.
   */
  async append(commit: Commit & { readonly commitInfo: { readonly commitId: string } }): Promise<boolean> {
    const version = this.version + 1;
    const key = this.#keyOf(version);
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
    this.#apply(commit, version);
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
    const { minReaderVersion, minWriterVersion } = this.protocol;
    if (minReaderVersion > PROTOCOL.minReaderVersion) {
      throw new FlowtollError(
        'TABLE_INVALID',
        `the table ${this.root} needs Delta protocol ${minReaderVersion}/${minWriterVersion}; this version of Flowtoll ` +
          `reads ${PROTOCOL.minReaderVersion}/${PROTOCOL.minWriterVersion}: another program upgraded it; use a newer Flowtoll`,
      );
    }
  }

  /** Throws TABLE_INVALID unless this code may write the table. */
  requireWritable(): void {
    this.requireReadable();
    const minWriterVersion = this.protocol?.minWriterVersion ?? 0;
    if (minWriterVersion > PROTOCOL.minWriterVersion) {
      throw new FlowtollError(
        'TABLE_INVALID',
        `the table ${this.root} needs Delta writer version ${minWriterVersion}; this version of Flowtoll writes ` +
          `${PROTOCOL.minWriterVersion}: another program upgraded it; use a newer Flowtoll or a new table`,
      );
    }
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

  #apply(commit: Commit, version: number): void {
    this.protocol = commit.protocol ?? this.protocol;
    this.metaData = commit.metaData ?? this.metaData;
    for (const txn of commit.txns) {
      this.txns.set(txn.appId, txn);
    }
    for (const { path } of commit.removes) {
      this.files.delete(path);
    }
    for (const { stats: _, ...add } of commit.adds) {
      // Statistics are for readers that skip files; thousands of them would only fill our memory.
      this.files.set(add.path, add);
    }
    this.version = version;
  }

  #keyOf(version: number): string {
    return `${this.root}/_delta_log/${String(version).padStart(20, '0')}.json`;
  }
}
