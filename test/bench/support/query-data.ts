// Tables of a cluster as large as wanted, made by DuckDB itself from a seed: workloads that talk to a few others and to the outside,
// over three zones, priced. Both tables have a file a day, as compaction leaves them. Knows the columns; the log is the product's.
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import type { AnyColumn } from '@flowtoll/aggregator/table/columns.ts';
import type { AddAction } from '@flowtoll/aggregator/table/delta-actions.ts';
import { flowTableRoot } from '@flowtoll/aggregator/table/flow-table.ts';
import { commitInfo, openWritableLog } from '@flowtoll/aggregator/table/open-log.ts';
import { COST_TABLE_COLUMNS, sqlType, TABLE_COLUMNS } from '@flowtoll/aggregator/table/schema.ts';
import { costTableRoot, ROLL_UP_APP_ID } from '@flowtoll/aggregator/upkeep/roll-up.ts';

export interface QueryData {
  readonly seed: number;
  readonly days: number;
  readonly nodes: number;
  readonly workloads: number;
  /** Workloads that one talks to. */
  readonly peers: number;
  /** Of `flows`, in all days together. */
  readonly flowRows: number;
}

/** 2026-01-01. */
const BEGIN_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const HOURS = 24;
const MINUTES = 1440;
/** Zones of the two sides: a workload's pods are in all of them. */
const ZONE_PAIRS = 9;

/** Writes `flows` and `costs_hourly` of the cluster "bench"; rows of each. Everything is rolled up. */
export async function writeQueryData(root: string, data: QueryData): Promise<{ flows: number; costs: number }> {
  const store = await openDirectoryStore(root);
  const flowsRoot = flowTableRoot('bench');
  const costsPerDay = HOURS * data.workloads * data.peers * ZONE_PAIRS;
  const flowsPerDay = Math.ceil(data.flowRows / data.days);
  const clock = () => BEGIN_MS + data.days * DAY_MS;
  for (const [tableRoot, columns, rowsPerDay, windows, txns] of [
    [flowsRoot, TABLE_COLUMNS, flowsPerDay, MINUTES, []],
    [costTableRoot(flowsRoot), COST_TABLE_COLUMNS, costsPerDay, HOURS, [{ appId: ROLL_UP_APP_ID, version: 1 }]],
  ] as const) {
    const log = await openWritableLog(store, tableRoot, columns, clock);
    const adds: AddAction[] = [];
    for (let day = 0; day < data.days; day++) {
      const date = new Date(BEGIN_MS + day * DAY_MS).toISOString().slice(0, 10);
      const path = `date=${date}/bench-${day}.parquet`;
      const file = join(root, tableRoot, path);
      await mkdir(dirname(file), { recursive: true });
      await copy(rowsOf(data, columns, { date, day, rows: rowsPerDay, windows }), file);
      adds.push({
        ...{ path, partitionValues: { date }, size: (await stat(file)).size },
        ...{ modificationTime: clock(), dataChange: true },
      });
    }
    if (!(await log.append({ commitInfo: commitInfo(clock, 'WRITE'), adds, removes: [], txns }))) {
      throw new Error(`somebody else writes to ${root}`);
    }
  }
  return { flows: flowsPerDay * data.days, costs: costsPerDay * data.days };
}

/** Row i of a day: which window, workload, peer and zones follow from i; what it carried from a hash of it. */
function rowsOf(
  { seed, nodes, workloads, peers }: QueryData,
  columns: readonly AnyColumn[],
  { date, day, rows, windows }: { date: string; day: number; rows: number; windows: number },
): string {
  const minutes = MINUTES / windows;
  const window = `TIMESTAMPTZ '${date} 00:00:00+00' + INTERVAL ${minutes} MINUTE * (`;
  const known: Readonly<Record<string, string>> = {
    ...{ window_start: `${window}w)`, window_end: `${window}w + 1)` },
    ...{
      cluster: "'bench'",
      provider: "'aws'",
      region: "'eu-central-1'",
      zone: "'eu-central-1' || chr((97 + z // 3)::INT)",
    },
    ...{ node: `'ip-10-0-' || h % ${nodes}`, local_kind: "'pod'", namespace: "'ns-' || a % 40" },
    ...{ workload_kind: "'Deployment'", workload: "'workload-' || a", pod: "'workload-' || a || '-' || h % 20" },
    ...{
      labels: "MAP {'team': 'team-' || a % 12}",
      ip: "'10.' || h % 4 || '.' || (h >> 8) % 256 || '.' || (h >> 16) % 256",
    },
    ...{ peer_kind: "if(p = 0, 'internet', 'pod')", peer_cluster: "if(p = 0, NULL, 'bench')" },
    ...{ peer_provider: "if(p = 0, NULL, 'aws')", peer_region: "if(p = 0, NULL, 'eu-central-1')" },
    ...{ peer_zone: "if(p = 0, NULL, 'eu-central-1' || chr((97 + z % 3)::INT))" },
    ...{ peer_namespace: "if(p = 0, NULL, 'ns-' || b % 40)", peer_workload_kind: "if(p = 0, NULL, 'Deployment')" },
    ...{
      peer_workload: "if(p = 0, NULL, 'workload-' || b)",
      peer_pod: "if(p = 0, NULL, 'workload-' || b || '-' || (h >> 24) % 20)",
    },
    ...{ peer_ip: "if(p = 0, '203.0.' || h % 100 || '.0/24', '10.1.' || (h >> 8) % 256 || '.' || (h >> 16) % 256)" },
    ...{
      protocol: "'tcp'",
      port: '[443, 5432, 6379, 8080, 9092][1 + a % 5]',
      initiator: "if(h % 2 = 0, 'local', 'peer')",
    },
    ...{ resolution: "'exact'", tx_bytes: 'v', tx_packets: 'v // 900', rx_bytes: 'v // 3', rx_packets: 'v // 2700' },
    ...{ connections: 'h % 50', traffic_class: "if(p = 0, 'internet', if(z // 3 = z % 3, 'same-zone', 'cross-zone'))" },
    ...{
      tx_cost: '(v * if(p = 0, 90, if(z // 3 = z % 3, 0, 10)) / 1e12)',
      rx_cost: '(v // 3 * if(z // 3 = z % 3 OR p = 0, 0, 10) / 1e12)',
    },
    ...{ processing_cost: '0', price_book: "'aws 2026-01-01'", price_basis: "'exact'" },
  };
  const names = columns.filter(({ name }) => name !== 'date');
  const pairs = workloads * peers * ZONE_PAIRS;
  return `SELECT ${names.map(({ name, type }) => `(${known[name] ?? 'NULL'})::${sqlType(type)} AS ${name}`).join(', ')}
    FROM (SELECT *, (a + 1 + p * 7) % ${workloads} AS b, exp((h % 1000) / 60.0)::BIGINT + 40 AS v
      FROM (SELECT (hash(range + ${day * rows}, ${seed}) >> 1)::BIGINT AS h, range % ${windows} AS w,
          range * ${pairs}::BIGINT // ${rows} // ${peers * ZONE_PAIRS} AS a, (range // ${windows}) % ${peers} AS p,
          (range // ${windows * peers}) % ${ZONE_PAIRS} AS z
        FROM range(${rows})))
    ORDER BY namespace, workload, peer_namespace, peer_workload, window_start`;
}

async function copy(query: string, file: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(
      `COPY (${query}) TO '${file}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE 122880)`,
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
