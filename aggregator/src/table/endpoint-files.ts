// Data files of `endpoints`: rows in, a Parquet file in the store; and the holdings back out of the files of the last days. Knows
// neither the log nor what the rows are for.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { EndpointRow } from '../model/endpoint-row.ts';
import { withLocalFiles } from '../store/local-file.ts';
import type { ObjectStore } from '../store/store.ts';
import { createVector } from './column-vectors.ts';
import { PARTITION_COLUMN } from './columns.ts';
import { putDataFile } from './data-file.ts';
import type { AddAction } from './delta-actions.ts';
import type { DeltaLog } from './delta-log.ts';
import { withDuckDb } from './duckdb.ts';
import { ENDPOINT_COLUMNS } from './endpoint-columns.ts';

/** Puts the rows into a file of the day `nowMs`; it is in the table when the log names it. */
export async function writeEndpointFile(
  store: ObjectStore,
  root: string,
  rows: readonly EndpointRow[],
  nowMs: number,
): Promise<AddAction> {
  const sorted = rows.toSorted((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const vectors = ENDPOINT_COLUMNS.map((column) => createVector(column, sorted.length));
  for (const vector of vectors) for (const [i, row] of sorted.entries()) vector.set(i, row);
  const at = { date: new Date(nowMs).toISOString().slice(0, 10), nowMs };
  try {
    return await putDataFile(store, root, at, { rowCount: sorted.length, vectors }, Uint32Array.from(sorted.keys()));
  } finally {
    for (const vector of vectors) vector.free();
  }
}

/**
 * The holdings of which a row was recorded since `sinceMs`, each once, the newest first; at most `max`. Of several rows the last one
 * names it; it ended at the earliest end that was heard.
 */
export async function readHoldings(
  store: ObjectStore,
  log: DeltaLog,
  { sinceMs, max }: { readonly sinceMs: number; readonly max: number },
): Promise<EndpointRow[]> {
  const firstDate = new Date(sinceMs).toISOString().slice(0, 10);
  const keys = Array.from(log.files.values())
    .filter(({ partitionValues }) => (partitionValues[PARTITION_COLUMN.name] ?? '') >= firstDate)
    .map(({ path }) => `${log.root}/${decodeURIComponent(path)}`);
  if (keys.length === 0) return [];
  return withLocalFiles(store, keys, (paths) =>
    withDuckDb(join(store.scratchDirectory, `${randomUUID()}.spill`), async (run) => {
      const rows = await run(holdingsQuery(paths, sinceMs, max));
      return rows.map((values) => holdingOf(values as readonly (string | bigint | null)[]));
    }),
  );
}

function holdingsQuery(paths: readonly string[], sinceMs: number, max: number): string {
  const files = paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ');
  return `SELECT cluster, address, kind, uid, epoch_us(min(held_from) OVER w), epoch_us(min(held_to) OVER w),
      epoch_us(max(sure_until) OVER w), epoch_us(min(heard_at) OVER w), epoch_us(recorded_at), namespace, pod, workload_kind,
      workload, node, provider, region, zone, to_json(labels)::VARCHAR
    FROM read_parquet([${files}], hive_partitioning = false)
    WHERE epoch_us(recorded_at) >= ${Math.floor(sinceMs * 1000)}
    WINDOW w AS (PARTITION BY address, uid)
    QUALIFY row_number() OVER (PARTITION BY address, uid ORDER BY recorded_at DESC) = 1
    ORDER BY recorded_at DESC LIMIT ${max}`;
}

function holdingOf(values: readonly (string | bigint | null)[]): EndpointRow {
  const text = (i: number) => values[i] as string | null;
  const time = (i: number) => (values[i] === null ? null : Number(values[i]));
  const toUs = time(5);
  const sureUntilUs = time(6);
  return {
    ...{ cluster: text(0)!, address: text(1)!, kind: text(2) === 'node' ? 'node' : 'pod', uid: text(3)! },
    ...{ fromUs: time(4)!, toUs, heardUs: time(7)!, recordedUs: time(8)! },
    // A replica that had not heard of the end was sure for longer.
    sureUntilUs: toUs === null || sureUntilUs === null ? sureUntilUs : Math.min(sureUntilUs, toUs),
    ...{ namespace: text(9), pod: text(10), workloadKind: text(11), workload: text(12), node: text(13)! },
    ...{ provider: text(14), region: text(15), zone: text(16), labels: text(17) },
  };
}
