// Opens the tables of a store for reading: replays their logs and hands the files to a query session, in the way that suits the
// store: files of a directory where they are; objects of S3 through DuckDB's httpfs where it is there; any other objects by way
// of a cache. Here, not in query/, because it joins store, table, upkeep and query, which do not know one another.
import { createHash } from 'node:crypto';
import { FlowtollError } from '../model/errors.ts';
import { findHttpfs, isReadableByHttpfs, secretStatement } from '../query/httpfs.ts';
import { HOURLY_ROWS, REMAINING_ROWS } from '../query/report-rows.ts';
import { QuerySession, type SessionOptions } from '../query/session.ts';
import type { SourceTable, TableFile } from '../query/source-table.ts';
import { DirectoryStore } from '../store/directory-store.ts';
import { ObjectCache } from '../store/object-cache.ts';
import { openStore } from '../store/open-store.ts';
import type { ObjectStore } from '../store/store.ts';
import { type AnyColumn, PARTITION_COLUMN } from '../table/columns.ts';
import type { AddAction } from '../table/delta-actions.ts';
import { DeltaLog } from '../table/delta-log.ts';
import { ENDPOINT_TABLE_COLUMNS, endpointTableRoot } from '../table/endpoint-columns.ts';
import { flowTableRoot } from '../table/flow-table.ts';
import { COST_TABLE_COLUMNS, sqlType, TABLE_COLUMNS } from '../table/schema.ts';
import { costTableRoot, filesNotRolledUp, rolledUpVersion } from '../upkeep/roll-up.ts';
import type { SourceFlags } from './source-options.ts';

/** A session that somebody has to close, and what it was made of. */
export interface OpenTables {
  readonly session: QuerySession;
  readonly store: ObjectStore;
  /** By name, ascending where none was named. */
  readonly clusters: readonly ClusterTables[];
  close(): Promise<void>;
}

type OpenSession = Pick<OpenTables, 'session' | 'close'>;

export interface OpenTablesOptions {
  readonly flags: SourceFlags;
  /** Hears what the user should know, and need not. */
  readonly remark: (text: string) => void;
  /** Whether the rows of `flows` that are not rolled up yet are wanted besides, as a table of its own: `REMAINING_ROWS`. */
  readonly withRemaining?: boolean;
  /** Files that the statements to come need; all by default. */
  readonly isWanted?: (cluster: ClusterTables, table: TableName, file: AddAction) => boolean;
}

export type TableName = 'flows' | 'costs_hourly' | 'endpoints';

/** The logs of one cluster's tables, read; those of `costs_hourly` and `endpoints` may be empty. */
export interface ClusterTables {
  readonly cluster: string;
  readonly flows: DeltaLog;
  readonly costs: DeltaLog;
  readonly endpoints: DeltaLog;
}

/** A session with the views `flows` and `costs_hourly` over the named clusters; over all in the store if none is named. */
export async function openTables({
  flags,
  remark,
  withRemaining = false,
  isWanted = () => true,
}: OpenTablesOptions): Promise<OpenTables> {
  const store = await openStore(flags.store, { readOnly: true });
  const clusters = await readClusters(store, flags.cluster);
  const table = (name: TableName, columns: readonly AnyColumn[], logOf: (cluster: ClusterTables) => DeltaLog) => {
    const files = clusters.map((cluster) => filesOf(logOf(cluster), (file) => isWanted(cluster, name, file)));
    return sourceTable(name, columns, files.flat());
  };
  const tables = [
    table('flows', TABLE_COLUMNS, ({ flows }) => flows),
    table(HOURLY_ROWS, COST_TABLE_COLUMNS, ({ costs }) => costs),
    table('endpoints', ENDPOINT_TABLE_COLUMNS, ({ endpoints }) => endpoints),
  ];
  if (withRemaining) {
    const remaining = await Promise.all(clusters.map((cluster) => remainingFiles(store, cluster)));
    tables.push(sourceTable(REMAINING_ROWS, TABLE_COLUMNS, remaining.flat()));
  }
  return { ...(await openOver(store, tables, flags, remark)), store, clusters };
}

async function openOver(
  store: ObjectStore,
  tables: readonly SourceTable[],
  flags: SourceFlags,
  remark: (text: string) => void,
): Promise<OpenSession> {
  if (store instanceof DirectoryStore) {
    const located = relocated(tables, (key) => store.localPath(key));
    return withoutMore(await QuerySession.open({ tables: located, root: store.root }));
  }
  const remote = await throughHttpfs(store, tables, flags.extensions);
  if (remote !== undefined) {
    try {
      return withoutMore(await QuerySession.open(remote));
    } catch (error) {
      if (!(error instanceof FlowtollError) || error.code !== 'STORE_UNAVAILABLE') throw error;
      remark(`flowtoll: DuckDB cannot read the store itself; its files are fetched instead (${error.message})\n`);
    }
  }
  return throughCache(store, tables, flags);
}

const withoutMore = (session: QuerySession): OpenSession => ({ session, close: async () => session.close() });

/** How DuckDB reads the objects itself; undefined when it cannot. */
async function throughHttpfs(
  store: ObjectStore,
  tables: readonly SourceTable[],
  extensions: SourceFlags['extensions'],
): Promise<SessionOptions | undefined> {
  if (store.s3Access === undefined || extensions === false) return undefined;
  const extensionFile = await findHttpfs(extensions);
  const access = await store.s3Access();
  if (extensionFile === undefined || !isReadableByHttpfs(access)) return undefined;
  return {
    tables: relocated(tables, (key) => access.root + key),
    root: access.root,
    remote: { extensionFile, secretStatement: async () => secretStatement(await store.s3Access!()) },
  };
}

async function throughCache(
  store: ObjectStore,
  tables: readonly SourceTable[],
  { cache: directory, cacheSize: maxBytes }: SourceFlags,
): Promise<OpenSession> {
  const storeName = createHash('sha256').update(store.describe()).digest('hex').slice(0, 16);
  const cache = await ObjectCache.open(store, { directory, maxBytes, storeName });
  const wanted = (file: TableFile) => ({ key: file.path, sizeBytes: file.sizeBytes });
  try {
    const session = await QuerySession.open({
      tables,
      root: cache.directory,
      fetch: (files, signal) => cache.fetch(files.map(wanted), signal),
    });
    const close = async (): Promise<void> => {
      session.close();
      await cache.close();
    };
    return { session, close };
  } catch (error) {
    await cache.close();
    throw error;
  }
}

function sourceTable(name: string, columns: readonly AnyColumn[], files: readonly TableFile[]): SourceTable {
  const typed = columns.map((column) => {
    const { name, type, description } = column;
    return { name, sqlType: sqlType(type), description, isAdded: 'isAdded' in column && column.isAdded === true };
  });
  return { name, columns: typed, partitionColumn: PARTITION_COLUMN.name, files };
}

function relocated(tables: readonly SourceTable[], locate: (key: string) => string): SourceTable[] {
  return tables.map((table) => ({
    ...table,
    files: table.files.map((file) => ({ ...file, path: locate(file.path) })),
  }));
}

/** The files of the table; the path is the object's key. */
function filesOf(log: DeltaLog, isWanted: (file: AddAction) => boolean = () => true): TableFile[] {
  return [...log.files.values()].filter(isWanted).map((add) => tableFile(log, add));
}

function tableFile(log: DeltaLog, { path, size, partitionValues }: AddAction): TableFile {
  const partition = partitionValues[PARTITION_COLUMN.name] ?? '';
  return { path: `${log.root}/${decodeURIComponent(path)}`, sizeBytes: size, partition };
}

/** Files of `flows` whose rows `costs_hourly` does not have yet. */
async function remainingFiles(store: ObjectStore, { flows, costs }: ClusterTables): Promise<TableFile[]> {
  const rolledUp = rolledUpVersion(costs);
  // Nothing was ever rolled up; the log need not go back to its beginning then.
  if (rolledUp < 0) return filesOf(flows);
  return (await filesNotRolledUp(store, flows, rolledUp)).map((add) => tableFile(flows, add));
}

async function readClusters(store: ObjectStore, named: readonly string[]): Promise<ClusterTables[]> {
  const names = named.length > 0 ? named : await store.listFolders('');
  const clusters = await Promise.all(names.map((name) => readCluster(store, name, named.length > 0)));
  const found = clusters.filter((cluster) => cluster !== undefined);
  if (found.length === 0) {
    throw new FlowtollError(
      'QUERY_INVALID',
      `there is no table in ${store.describe()}: name the store that the aggregator writes (--store)`,
    );
  }
  return found;
}

/** The logs of a cluster's tables, read; undefined if there is no table and none was asked for by name. */
async function readCluster(store: ObjectStore, cluster: string, wanted: boolean): Promise<ClusterTables | undefined> {
  let root: string;
  try {
    root = flowTableRoot(cluster);
  } catch (error) {
    if (wanted) {
      throw error;
    }
    return undefined; // A folder that cannot be a cluster's is somebody else's.
  }
  const flows = new DeltaLog(store, root);
  await flows.refresh();
  if (flows.version >= 0) {
    flows.requireReadable();
    // After `flows`: what is rolled up by then was there before, or is newer than what we know of `flows`.
    const costs = new DeltaLog(store, costTableRoot(root));
    await costs.refresh();
    if (costs.version >= 0) costs.requireReadable();
    const endpoints = new DeltaLog(store, endpointTableRoot(root));
    await endpoints.refresh();
    if (endpoints.version >= 0) endpoints.requireReadable();
    return { cluster, flows, costs, endpoints };
  }
  if (wanted) {
    const others = (await store.listFolders('')).join(', ') || 'nothing';
    throw new FlowtollError(
      'QUERY_INVALID',
      `${store.describe()} has no table of cluster ${JSON.stringify(cluster)}; it has ${others} (--cluster)`,
    );
  }
  return undefined;
}
