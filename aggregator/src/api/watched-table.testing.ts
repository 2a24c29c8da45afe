// A table for tests of watchers: commits by the product's writer, and what maintenance does to it, by hand: compaction, vacuum,
// log clean-up, retention, a log that is set back. Knows which rows each version brought; rows are named by their pod.
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { DuckDBInstance } from '@duckdb/node-api';
import { type WatchResponse, WatchResponseSchema } from '@flowtoll/proto';
import type { FlowRow } from '../model/flow-row.ts';
import { type DirectoryStore, openDirectoryStore } from '../store/directory-store.ts';
import type { AddAction, Commit } from '../table/delta-actions.ts';
import { DeltaLog } from '../table/delta-log.ts';
import { flowRow, WINDOW_US } from '../table/flow-row.testing.ts';
import { type FlowTable, flowTableRoot, openFlowTable } from '../table/flow-table.ts';
import { LogTail } from '../table/log-tail.ts';
import { DataFileSource } from './data-file-source.ts';
import type { RowQuery } from './row-query.ts';
import { openRowReader, type RowReader } from './row-reader.ts';
import { watchResponse } from './watch-messages.ts';
import { type WatchDependencies, type WatchEvent, type WatchStart, watch } from './watcher.ts';

export const ROOT = flowTableRoot('demo');
const DAY_US = 86_400_000_000;

export class WatchedTable {
  readonly store: DirectoryStore;
  /** Names of the rows that each version brought, by version. */
  readonly committed = new Map<number, string[]>();
  readonly reader: RowReader;
  #table: FlowTable;
  #log: DeltaLog;
  /** The store's directory. */
  readonly folder: string;
  readonly #clock: { nowMs: number };
  #sequence = 0;
  #names = 0;

  private constructor(
    folder: string,
    clock: { nowMs: number },
    store: DirectoryStore,
    table: FlowTable,
    reader: RowReader,
  ) {
    this.folder = folder;
    this.#clock = clock;
    this.store = store;
    this.#table = table;
    this.#log = new DeltaLog(store, ROOT);
    this.reader = reader;
  }

  static async open(): Promise<WatchedTable> {
    const folder = await mkdtemp(join(tmpdir(), 'flowtoll-watch-'));
    const store = await openDirectoryStore(folder);
    const clock = { nowMs: 1_800_000_000_000 };
    const table = await openFlowTable(store, { cluster: 'demo', clock: () => clock.nowMs });
    return new WatchedTable(folder, clock, store, table, await openRowReader());
  }

  /** ms since the Unix epoch; each commit takes a minute. */
  get nowMs(): number {
    return this.#clock.nowMs;
  }

  async close(): Promise<void> {
    await this.#table.close();
    await this.reader.close();
    await rm(this.folder, { recursive: true });
  }

  get version(): number {
    return this.#table.version;
  }

  /** Commits this many rows on this many days; returns their version. */
  async commit(rowCount: number, days = 1): Promise<number> {
    const names = Array.from({ length: rowCount }, () => `row-${this.#names++}`);
    const version = await this.commitRows(
      names.map((pod, i) => flowRow({ pod, txBytes: i, windowStartUs: WINDOW_US - (i % days) * DAY_US })),
    );
    this.committed.set(version, names);
    return version;
  }

  async commitRows(flowRows: readonly FlowRow[]): Promise<number> {
    this.#clock.nowMs += 60_000;
    const { version } = await this.#table.commit([{ epoch: 'epoch', sequence: ++this.#sequence }], (_, rows) => {
      for (const row of flowRows) rows.append(row);
    });
    if (version === undefined) throw new Error('nothing was committed');
    return version;
  }

  /** The live files are written anew as one for each day. Returns the version, if there was anything to do. */
  async compact(): Promise<number | undefined> {
    await this.#log.refresh();
    const byDate = Map.groupBy(this.#log.files.values(), (file) => file.partitionValues['date'] ?? '');
    const adds: AddAction[] = [];
    const removes: AddAction[] = [];
    for (const [date, files] of byDate) {
      if (files.length < 2) continue;
      adds.push(await this.#merge(date, files));
      removes.push(...files);
    }
    if (removes.length === 0) return undefined;
    await this.append({ adds, removes: removes.map(({ path }) => ({ path, dataChange: false })) });
    return this.version;
  }

  /** Removes the rows of one live file for good, as retention does. */
  async expireOneFile(): Promise<string | undefined> {
    await this.#log.refresh();
    const [file] = this.#log.files.values();
    if (file === undefined) return undefined;
    await this.append({ adds: [], removes: [{ path: file.path, dataChange: true }] });
    return file.partitionValues['date'] ?? undefined;
  }

  /** All live files are written anew, as by somebody who changed or deleted rows. Returns the version. */
  async rewrite(): Promise<number> {
    await this.#log.refresh();
    const byDate = Map.groupBy(this.#log.files.values(), (file) => file.partitionValues['date'] ?? '');
    const removes = [...this.#log.files.keys()].map((path) => ({ path, dataChange: true }));
    const adds: AddAction[] = [];
    for (const [date, files] of byDate) adds.push({ ...(await this.#merge(date, files)), dataChange: true });
    await this.append({ adds, removes });
    return this.version;
  }

  /** Paths of the live files. */
  async files(): Promise<string[]> {
    await this.#log.refresh();
    return [...this.#log.files.keys()].sort();
  }

  /** Adds an entry by hand. */
  async append(actions: Pick<Commit, 'adds' | 'removes'>): Promise<void> {
    this.#clock.nowMs += 60_000;
    const commitInfo = { timestamp: this.nowMs, commitId: randomUUID() };
    await this.#log.refresh();
    await this.#log.append({ commitInfo, txns: [], ...actions });
    // The writer reads the log before it writes.
    await this.#table.committedSequence('epoch');
  }

  /** Deletes files that the table no longer has. */
  async vacuum(): Promise<number> {
    await this.#log.refresh();
    const live = this.#log.files;
    let deleted = 0;
    for await (const key of this.store.list(`${ROOT}/`)) {
      if (!key.endsWith('.parquet') || live.has(key.slice(ROOT.length + 1))) continue;
      await this.store.delete(key);
      deleted++;
    }
    return deleted;
  }

  /** Deletes the log's entries below the version. The writer, which has read them, goes on; a new one would not. */
  async cleanLog(below: number): Promise<void> {
    await this.#log.refresh();
    for await (const key of this.store.list(`${ROOT}/_delta_log/`)) {
      const version = Number(/(\d{20})\.json$/.exec(key)?.[1]);
      if (version < below) await this.store.delete(key);
    }
  }

  /** The log as it is, to be brought back. */
  async backup(): Promise<Map<string, Buffer>> {
    const folder = join(this.folder, ROOT, '_delta_log');
    const names = await readdir(folder);
    return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)));
  }

  /** The log is what it was; the writer begins anew. */
  async restore(backup: ReadonlyMap<string, Buffer>): Promise<void> {
    const folder = join(this.folder, ROOT, '_delta_log');
    await rm(folder, { recursive: true });
    await mkdir(folder);
    for (const [name, bytes] of backup) await writeFile(join(folder, name), bytes);
    await this.reopen();
    this.#sequence = await this.#table.committedSequence('epoch');
    for (const version of this.committed.keys()) {
      if (version > this.version) this.committed.delete(version);
    }
  }

  /** The table is another one, made anew. */
  async replace(): Promise<void> {
    await rm(join(this.folder, ROOT), { recursive: true });
    await this.reopen();
    this.#sequence = 0;
    this.committed.clear();
  }

  async reopen(): Promise<void> {
    await this.#table.close();
    this.#table = await openFlowTable(this.store, { cluster: 'demo', clock: () => this.nowMs });
    this.#log = new DeltaLog(this.store, ROOT);
  }

  /** What a replica that has just begun watches with. Time stands still unless the test moves it. */
  replica(clock: TestClock = new TestClock()): WatchDependencies {
    const { store, reader } = this;
    const { now, schedule } = clock;
    const tail = new LogTail(store, ROOT, { pollMs: 1000, verifyMs: 30_000, now, schedule });
    return { store, tail, files: new DataFileSource(store), reader, schedule, heartbeatMs: 10_000, now };
  }

  async #merge(date: string, files: readonly AddAction[]): Promise<AddAction> {
    const path = `date=${date}/${randomUUID()}.parquet`;
    const target = join(this.folder, ROOT, path);
    await mkdir(dirname(target), { recursive: true });
    const list = files.map((file) => `'${join(this.folder, ROOT, file.path)}'`).join(', ');
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
    const connection = await instance.connect();
    await connection.run(
      `COPY (SELECT * FROM read_parquet([${list}], hive_partitioning = false)) TO '${target}' (FORMAT parquet)`,
    );
    connection.closeSync();
    instance.closeSync();
    return { path, partitionValues: { date }, size: 1, modificationTime: this.nowMs, dataChange: false };
  }
}

/** A clock that a test moves; what is due runs then. */
export class TestClock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>();

  readonly now = (): number => this.#nowMs;

  readonly schedule = (callback: () => void, delayMs: number): (() => void) => {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  readonly advance = (ms: number): void => {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.dueMs > this.#nowMs || !this.#timers.delete(timer)) continue;
      timer.callback();
    }
  };
}

/** Whoever follows a stream. Lets time pass while nothing comes, so that polls and heartbeats happen. */
export class Follower {
  readonly #events: AsyncGenerator<WatchEvent, void, undefined>;
  readonly #stop = new AbortController();
  readonly #clock: TestClock;

  constructor(table: WatchedTable, start: WatchStart, query: RowQuery, clock = new TestClock()) {
    this.#clock = clock;
    this.#events = watch(start, query, table.replica(clock), this.#stop.signal);
  }

  /** The next message; undefined at the end. */
  async next(): Promise<WatchResponse | undefined> {
    let settled = false;
    const pending = this.#events.next().finally(() => {
      settled = true;
    });
    // Never unhandled: awaited below.
    pending.catch(() => undefined);
    while (!settled) {
      this.#clock.advance(1000);
      await setImmediate();
    }
    const { value } = await pending;
    return value === undefined ? undefined : fromBinary(WatchResponseSchema, watchResponse(value));
  }

  /** All messages up to the one that says that the version is reached. */
  async until(version: number): Promise<WatchResponse[]> {
    const messages: WatchResponse[] = [];
    for (;;) {
      const message = await this.next();
      if (message === undefined) throw new Error(`the stream ended before version ${version}`);
      messages.push(message);
      if (isAt(message, version)) return messages;
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#events.return();
  }
}

/** Whether everything up to the version has been sent. */
export function isAt({ event }: WatchResponse, version: number): boolean {
  return event.case === 'progress' && event.value.caughtUp && event.value.version >= BigInt(version);
}

/** Values of a column of text, row by row. */
export function texts(message: WatchResponse, name: string): (string | null)[] {
  if (message.event.case !== 'rows') return [];
  const { rowCount, columns } = message.event.value;
  const values = columns.find((column) => column.name === name)?.values;
  if (values?.case !== 'text') throw new Error(`there is no text ${name}`);
  const { dictionary, codes } = values.value;
  return Array.from({ length: rowCount }, (_, row) => {
    const code = codes.length === 0 ? (dictionary.length === 0 ? 0 : 1) : codes[row]!;
    return code === 0 ? null : dictionary[code - 1]!;
  });
}

/** Every cell as text, as protobuf-es gives it: integers as they are on the wire. */
export function cells(message: WatchResponse): Record<string, string | null>[] {
  if (message.event.case !== 'rows') return [];
  const { rowCount, columns } = message.event.value;
  return Array.from({ length: rowCount }, (_, row) =>
    Object.fromEntries(
      columns.map(({ name, values }) => {
        if (values.case === 'text') return [name, texts(message, name)[row] ?? null];
        const { values: integers = [], nulls = new Uint8Array() } = values.value ?? {};
        return [name, integers.length === 0 || nulls[row] === 1 ? null : String(integers[row])];
      }),
    ),
  );
}
