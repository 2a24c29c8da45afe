// A table `endpoints` as it was made before column `zone_id` was added to it.
import type { EndpointRow } from '../model/endpoint-row.ts';
import type { ObjectStore } from '../store/store.ts';
import { createVector } from './column-vectors.ts';
import { putDataFile } from './data-file.ts';
import type { DeltaLog } from './delta-log.ts';
import { ENDPOINT_COLUMNS, ENDPOINT_TABLE_COLUMNS } from './endpoint-columns.ts';
import { commitInfo, openWritableLog } from './open-log.ts';

/** Makes the table with a file of these rows. */
export async function makeTableWithoutZoneIds(
  store: ObjectStore,
  root: string,
  rows: readonly EndpointRow[],
  clock: () => number,
): Promise<DeltaLog> {
  const columns = ENDPOINT_TABLE_COLUMNS.filter(({ name }) => name !== 'zone_id');
  const log = await openWritableLog(store, root, columns, clock);
  await appendFileWithoutZoneIds(store, log, rows, clock);
  return log;
}

/** Another file, as an aggregator of then goes on writing. */
export async function appendFileWithoutZoneIds(
  store: ObjectStore,
  log: DeltaLog,
  rows: readonly EndpointRow[],
  clock: () => number,
): Promise<void> {
  const vectors = ENDPOINT_COLUMNS.filter(({ name }) => name !== 'zone_id').map((column) =>
    createVector(column, rows.length),
  );
  for (const vector of vectors) for (const [i, row] of rows.entries()) vector.set(i, row);
  const at = { date: new Date(clock()).toISOString().slice(0, 10), nowMs: clock() };
  const order = Uint32Array.from(rows.keys());
  const add = await putDataFile(store, log.root, at, { rowCount: rows.length, vectors }, order);
  await log.refresh();
  await log.append({ commitInfo: commitInfo(clock, 'WRITE'), txns: [], adds: [add], removes: [] });
}
