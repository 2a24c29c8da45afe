// Opens the tables `flows` of a store for reading: replays their logs and hands the files to a query session. Here, not in
// query/, because it joins store, table and query, which do not know one another.
import { join } from 'node:path';
import { FlowtollError } from '../model/errors.ts';
import { QuerySession } from '../query/session.ts';
import { DirectoryStore } from '../store/directory-store.ts';
import { openStore } from '../store/open-store.ts';
import { PARTITION_COLUMN } from '../table/columns.ts';
import { DeltaLog } from '../table/delta-log.ts';
import { flowTableRoot } from '../table/flow-table.ts';
import { sqlType, TABLE_COLUMNS } from '../table/schema.ts';

/** A session with the view `flows` over the tables of the named clusters; of all clusters in the store if none is named. */
export async function openFlowsSession(storePath: string, clusters: readonly string[]): Promise<QuerySession> {
  const store = await openStore(storePath, { readOnly: true });
  if (!(store instanceof DirectoryStore)) {
    throw new FlowtollError(
      'QUERY_INVALID',
      `report and sql read tables in directories only, not ${store.describe()}: ask it with any engine that reads Delta ` +
        'tables (docs/stores.md)',
    );
  }
  const names = clusters.length > 0 ? clusters : await store.listFolders('');
  const files: string[] = [];
  const found: string[] = [];
  for (const name of names) {
    const log = await openLog(store, name, clusters.length > 0);
    if (log !== undefined) {
      found.push(name);
      files.push(...Array.from(log.files.keys(), (path) => join(store.root, log.root, decodeURIComponent(path))));
    }
  }
  if (found.length === 0) {
    throw new FlowtollError(
      'QUERY_INVALID',
      `there is no table in ${store.describe()}: name the store that the aggregator writes (--store)`,
    );
  }
  const columns = TABLE_COLUMNS.map((column) => ({ name: column.name, sqlType: sqlType(column.type) }));
  return QuerySession.open({
    tables: [{ name: 'flows', columns, partitionColumn: PARTITION_COLUMN.name, files }],
    root: store.root,
  });
}

/** The log of a cluster's table, read; undefined if there is none and none was asked for by name. */
async function openLog(store: DirectoryStore, cluster: string, wanted: boolean): Promise<DeltaLog | undefined> {
  let root: string;
  try {
    root = flowTableRoot(cluster);
  } catch (error) {
    if (wanted) {
      throw error;
    }
    return undefined; // A folder that cannot be a cluster's is somebody else's.
  }
  const log = new DeltaLog(store, root);
  await log.refresh();
  if (log.version >= 0) {
    log.requireReadable();
    return log;
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
