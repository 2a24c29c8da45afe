// Bytes of a row: plausible traffic of 3,000 pods, minute by minute, through the product's own names, prices and commits, then
// merged by its own upkeep. Beside it the floor: zstd of the same columns in the same order, at the level of the upkeep
// (support/column-zstd.ts says what exactly). The difference is what Parquet costs: pages, dictionaries of each row group,
// statistics, the footer.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeBatch } from '@flowtoll/agent/exporter/batch-codec.ts';
import { batchRequest } from '@flowtoll/agent/exporter/ingest-link.ts';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import type { AddAction } from '@flowtoll/aggregator/table/delta-actions.ts';
import { DeltaLog } from '@flowtoll/aggregator/table/delta-log.ts';
import { flowTableRoot, openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { parseTopology } from '@flowtoll/aggregator/topology/file-topology.ts';
import { maintain } from '@flowtoll/aggregator/upkeep/maintain.ts';
import { createClusterModel, topologyText } from './support/cluster-model.ts';
import { ClusterTraffic } from './support/cluster-traffic.ts';
import { columnBytes } from './support/column-zstd.ts';
import { batchOf, createRowsOf } from './support/product-rows.ts';
import { textTable } from './support/statistics.ts';
import { TemporaryDirectory } from './support/temporary-directory.ts';

const CLUSTER = { nodes: 100, pods: 3000, workloads: 400, namespaces: 40 };
const TRAFFIC = { outsideAddresses: 50_000, flowsPerNode: 2000 };
const BEGIN_MS = Date.UTC(2026, 0, 31, 9);
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** That of the upkeep (upkeep/rewriter.ts). */
const ZSTD_LEVEL = 3;
const GOAL_RATIO = 1.1;
const MIB = 2 ** 20;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { seed: { type: 'string', default: '20260131' }, minutes: { type: 'string', default: '20' } },
  });
  const size = { ...CLUSTER, seed: Number(values.seed) };
  process.stdout.write(`${JSON.stringify({ ...size, ...TRAFFIC, minutes: Number(values.minutes) })}\n`);
  await using directory = await TemporaryDirectory.create();
  const { rows, bytes } = await writeTable(directory.path, size, Number(values.minutes));
  const files = await compact(directory.path);
  const compacted = files.reduce((sum, { size: bytesOfFile }) => sum + bytesOfFile, 0);
  const columns = new Map<string, { parquet: number; zstd: number }>();
  for (const { path } of files) {
    const file = join(directory.path, flowTableRoot('bench'), decodeURIComponent(path));
    if ((await stat(file)).size === 0) throw new Error(`${file} is empty`);
    for (const { name, parquet, zstd } of await columnBytes(file, ZSTD_LEVEL)) {
      const sum = columns.get(name) ?? { parquet: 0, zstd: 0 };
      columns.set(name, { parquet: sum.parquet + parquet, zstd: sum.zstd + zstd });
    }
  }
  const zstd = [...columns.values()].reduce((sum, column) => sum + column.zstd, 0);
  const aRow = (count: number) => (count / rows).toFixed(2);
  const large = [...columns]
    .filter(([, { parquet, zstd: floor }]) => Math.max(parquet, floor) / rows >= 0.05)
    .sort(([, a], [, b]) => b.parquet - a.parquet);
  process.stdout.write(
    `${textTable([
      ['bytes a row', 'Parquet', 'zstd'],
      ...large.map(([name, column]) => [name, aRow(column.parquet), aRow(column.zstd)]),
    ])}\n(other columns: less than 0.05 both)\n` +
      `${rows.toLocaleString('en')} rows; as committed ${aRow(bytes)} bytes a row; merged ${aRow(compacted)} in ${files.length} file(s), ` +
      `${(compacted / MIB).toFixed(0)} MiB; zstd of the columns ${aRow(zstd)}\n`,
  );
  const ratio = compacted / zstd;
  const isMet = ratio <= GOAL_RATIO;
  process.stdout.write(`${isMet ? 'met   ' : 'MISSED'}  ${ratio.toFixed(3)} × zstd, goal at most ${GOAL_RATIO}\n`);
  process.exitCode = isMet ? 0 : 1;
}

/** Commits a window of all nodes at a time, and one of one node after the hour is over: only then is it rolled up, and merged. */
async function writeTable(
  root: string,
  size: Parameters<typeof createClusterModel>[0],
  minutes: number,
): Promise<{ rows: number; bytes: number }> {
  const model = createClusterModel(size);
  const traffic = new ClusterTraffic(model, TRAFFIC);
  const { source } = parseTopology(topologyText(model, 'bench'), 'topology.json');
  const rowsOf = createRowsOf(source);
  const store = await openDirectoryStore(root);
  let nowMs = BEGIN_MS;
  const table = await openFlowTable(store, { cluster: 'bench', clock: () => nowMs });
  const commitMinute = async (minute: number, nodes: number): Promise<number> => {
    const batches = model.nodes.slice(0, nodes).map(({ name: node }, index) => {
      const epoch = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}.00000000-0000-4000-8000-000000000000`;
      const window = traffic.window(index, (BEGIN_MS + minute * MINUTE_MS) * 1000);
      return batchOf({ node, epoch }, batchRequest(encodeBatch({ epoch, sequence: minute + 1 }, window, [])));
    });
    const { rowCount } = await table.commit(batches, (batch, buffer) => {
      rowsOf(batch, (row) => buffer.append(row));
    });
    return rowCount;
  };
  let rows = 0;
  for (let minute = 0; minute < minutes; minute++) rows += await commitMinute(minute, model.nodes.length);
  const bytes = (await filesOf(root)).reduce((sum, file) => sum + file.size, 0);
  nowMs += HOUR_MS;
  await commitMinute(minutes, 1);
  await table.close();
  return { rows, bytes };
}

/** One round of upkeep on the day after; the files that it made. */
async function compact(root: string): Promise<AddAction[]> {
  await maintain(await openDirectoryStore(root), {
    ...{ cluster: 'bench', clock: () => BEGIN_MS + DAY_MS, keepFlowsMs: 90 * DAY_MS, keepCostsMs: 90 * DAY_MS },
  });
  return (await filesOf(root)).filter(({ dataChange }) => !dataChange);
}

async function filesOf(root: string): Promise<AddAction[]> {
  const log = new DeltaLog(await openDirectoryStore(root), flowTableRoot('bench'), () => BEGIN_MS + DAY_MS);
  await log.refresh();
  return [...log.files.values()];
}
