// What the log of a large cluster costs: 5,000 nodes of which 30 % are new each day, two replicas, a commit per replica and half
// minute, thirty days of history in the state. Commits without data: names and statistics of files, not the files. One hour is
// played in full by the product's own code against a store that counts requests; a day is 24 of them. Prices: S3 in us-east-1
// (PUT and LIST 0.005 USD per 1,000, GET 0.0004 USD per 1,000, storage 0.023 USD per GB and month).
import { randomUUID } from 'node:crypto';
import { HELLO_READS } from '@flowtoll/aggregator/paced-reads.ts';
import { Checkpointer } from '@flowtoll/aggregator/table/checkpointer.ts';
import { PARTITION_COLUMN } from '@flowtoll/aggregator/table/columns.ts';
import { planCommit } from '@flowtoll/aggregator/table/commit-plan.ts';
import type { DataFiles } from '@flowtoll/aggregator/table/data-files.ts';
import type { AddAction } from '@flowtoll/aggregator/table/delta-actions.ts';
import { DeltaLog } from '@flowtoll/aggregator/table/delta-log.ts';
import { newFileName } from '@flowtoll/aggregator/table/file-name.ts';
import { createFlowTable, type FlowTable, flowTableRoot } from '@flowtoll/aggregator/table/flow-table.ts';
import {
  CHECKPOINT_BYTES,
  CHECKPOINT_ENTRIES,
  checkpointLog,
  cleanLog,
  LOG_RETENTION_MS,
} from '@flowtoll/aggregator/table/log-upkeep.ts';
import {
  commitInfo,
  openWritableLog,
  REMOVED_FILE_RETENTION_MS,
  TXN_RETENTION_MS,
} from '@flowtoll/aggregator/table/open-log.ts';
import { TABLE_COLUMNS } from '@flowtoll/aggregator/table/schema.ts';
import { CountingStore, type Requests } from './support/counting-store.ts';
import { textTable } from './support/statistics.ts';

const NODES = 5000;
const CHURN_A_DAY = 0.3;
const HISTORY_DAYS = 30;
const REPLICAS = 2;
const COMMITS_A_HOUR = 120;
/** Between agents' moves from replica to replica. */
const STREAM_AGE_MS = 600_000;
/** What a request to a bucket takes, for the cold start. */
const LATENCY_MS = 30;
/** Columns of statistics: about what a file of `flows` has. */
const STATS = JSON.stringify({ numRecords: 100_000, minValues: 'x'.repeat(1600), maxValues: 'x'.repeat(1600) });

const GOAL_COLD_START_S = 5;
const GOAL_USD_A_DAY = 1;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ROOT = flowTableRoot('demo');
const RULES = {
  checkpointBytes: CHECKPOINT_BYTES,
  checkpointEntries: CHECKPOINT_ENTRIES,
  txnRetentionMs: TXN_RETENTION_MS,
  removeRetentionMs: REMOVED_FILE_RETENTION_MS,
};

let nowMs = Date.UTC(2026, 5, 1);
const clock = (): number => nowMs;

interface Agent {
  readonly epoch: string;
  readonly node: string;
  sequence: number;
}

const newAgent = (node: number): Agent => ({
  epoch: `${randomUUID()}.${randomUUID()}`,
  node: `ip-10-${node >> 8}-${node & 255}-1.eu-central-1.compute.internal`,
  sequence: 0,
});

const add = (daysAgo: number): AddAction => {
  const date = new Date(nowMs - daysAgo * DAY_MS).toISOString().slice(0, 10);
  return {
    path: `${PARTITION_COLUMN.name}=${date}/${newFileName(nowMs - daysAgo * DAY_MS)}`,
    partitionValues: { [PARTITION_COLUMN.name]: date },
    size: 20_000_000,
    modificationTime: nowMs,
    dataChange: true,
    stats: STATS,
  };
};

/** Files without content: a PUT each, as the real ones. */
function emptyFiles(store: CountingStore): DataFiles<{ batches: number }> {
  return {
    async write(fill) {
      fill({ batches: 0 });
      const file = add(0);
      await store.put(`${ROOT}/${file.path}`, Buffer.from('x'));
      return { adds: [file], rowCount: 1 };
    },
    discard: async () => undefined,
  };
}

/** Measures and prints; exit code 1 when a goal is missed. */
export async function run(): Promise<void> {
  using store = new CountingStore();
  const agents = Array.from({ length: NODES }, (_, node) => newAgent(node));
  await makeHistory(store, agents);
  store.takeRequests();
  const replicas = await Promise.all(Array.from({ length: REPLICAS }, () => openReplica(store)));
  store.takeRequests();

  const logBytesBefore = store.bytesOf(/_delta_log\/\d+\.json$/);
  const played = await playHour(store, agents, replicas);
  await Promise.all(replicas.map(({ table }) => table.close()));
  const logBytes = store.bytesOf(/_delta_log\/\d+\.json$/) - logBytesBefore;
  const checkpoints = replicas.reduce((sum, { checkpoints: written }) => sum + written.length, 0);

  await cleanLog(store, ROOT, { nowMs, retentionMs: LOG_RETENTION_MS });
  const upkeep = store.takeRequests();

  const cold = await coldStart(store);
  print(store, { played, upkeep, logBytes, checkpoints, cold });
}

/** Thirty days of epochs that came and went, and of files that were compacted to one an hour. */
async function makeHistory(store: CountingStore, agents: Agent[]): Promise<void> {
  const log = await openWritableLog(store, ROOT, TABLE_COLUMNS, clock);
  const end = nowMs;
  for (let day = HISTORY_DAYS; day >= 1; day--) {
    nowMs = end - day * DAY_MS;
    const txns = [];
    const gone = Math.round(NODES * CHURN_A_DAY);
    for (let i = 0; i < gone; i++) {
      const node = (day * gone + i) % NODES;
      const { epoch, node: name } = newAgent(node);
      txns.push({ appId: epoch, version: 1440, lastUpdated: nowMs });
      txns.push({ appId: `${epoch}/announced/${name}`, version: 1440, lastUpdated: nowMs });
      txns.push({ appId: `${epoch}/ended`, version: 1440, lastUpdated: nowMs });
    }
    const adds = Array.from({ length: 24 }, () => add(0));
    await log.append({ commitInfo: commitInfo(clock, 'WRITE'), txns, adds, removes: [] });
  }
  nowMs = end;
  const live = agents.flatMap(({ epoch, node }) => [
    { appId: epoch, version: 0, lastUpdated: nowMs },
    { appId: `${epoch}/announced/${node}`, version: 0, lastUpdated: nowMs },
  ]);
  await log.append({ commitInfo: commitInfo(clock, 'WRITE'), txns: live, adds: [], removes: [] });
  await checkpointLog(store, log, RULES, nowMs);
}

async function openReplica(store: CountingStore) {
  const log = await openWritableLog(store, ROOT, TABLE_COLUMNS, clock);
  const checkpoints: number[] = [];
  const checkpointer = new Checkpointer(store, log, RULES, clock, (problem) => {
    if (problem !== undefined) throw problem;
    checkpoints.push(log.version);
  });
  return { table: createFlowTable(log, emptyFiles(store), clock, planCommit, checkpointer), checkpointer, checkpoints };
}

/** One hour: each agent has a batch in each minute; some nodes go and others come; agents move between replicas. */
async function playHour(
  store: CountingStore,
  agents: Agent[],
  replicas: readonly { table: FlowTable<{ batches: number }>; checkpointer: Checkpointer }[],
): Promise<Requests> {
  const newAHour = Math.round((NODES * CHURN_A_DAY) / 24);
  const hellosACommit = (NODES * (HOUR_MS / STREAM_AGE_MS)) / (COMMITS_A_HOUR * REPLICAS);
  const readsACommit = Math.min(hellosACommit, (HOUR_MS / COMMITS_A_HOUR / HELLO_READS.intervalMs) | 0);
  for (let turn = 0; turn < COMMITS_A_HOUR; turn++) {
    for (const [index, { table, checkpointer }] of replicas.entries()) {
      nowMs += HOUR_MS / COMMITS_A_HOUR / REPLICAS;
      // Half of the agents are at this replica, and half of these have had their minute since its last commit.
      const due = agents.filter((_, i) => (i + turn) % 2 === 0 && ((i >> 1) + turn) % REPLICAS === index);
      for (let i = 0; i < readsACommit; i++) await table.committedSequence(due[i]?.epoch ?? '');
      const batches = due.map((agent) => ({ epoch: agent.epoch, sequence: ++agent.sequence }));
      const notes = due
        .slice(0, Math.round(hellosACommit))
        .map(({ epoch, node, sequence }) => ({ kind: 'announced' as const, epoch, node, sequence }));
      const { written } = await table.commit(batches, () => undefined, notes);
      // Half a minute is more than a checkpoint takes.
      await checkpointer.idle();
      if (written.length !== batches.length)
        throw new Error(`${written.length} of ${batches.length} batches committed`);
    }
    if (turn % Math.ceil(COMMITS_A_HOUR / newAHour) === 0) {
      const node = (turn * 37) % NODES;
      agents[node] = newAgent(node);
    }
    if (turn % 20 === 0) process.stderr.write(`… ${turn} of ${COMMITS_A_HOUR} half minutes\n`);
  }
  return store.takeRequests();
}

interface ColdStart {
  readonly seconds: number;
  readonly requests: Requests;
  readonly entries: number;
  readonly txns: number;
  readonly heapMiB: number;
}

async function coldStart(store: CountingStore): Promise<ColdStart> {
  store.latencyMs = LATENCY_MS;
  store.takeRequests();
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const begin = performance.now();
  const log = new DeltaLog(store, ROOT, clock);
  await log.refresh();
  const seconds = (performance.now() - begin) / 1000;
  globalThis.gc?.();
  return {
    seconds,
    requests: store.takeRequests(),
    entries: log.version - log.checkpointVersion,
    txns: log.txns.size,
    heapMiB: (process.memoryUsage().heapUsed - heapBefore) / 2 ** 20,
  };
}

function print(
  store: CountingStore,
  measured: { played: Requests; upkeep: Requests; logBytes: number; checkpoints: number; cold: ColdStart },
): void {
  const { played, upkeep, logBytes, checkpoints, cold } = measured;
  // A round of upkeep every ten minutes and replica: what was measured once, and the entries of an hour read again.
  const rounds = 6 * REPLICAS;
  const aDay = {
    put: 24 * played.put,
    list: 24 * (played.list + rounds * upkeep.list),
    get: 24 * (played.get + rounds * (COMMITS_A_HOUR * REPLICAS) + rounds * upkeep.get),
  };
  const usd = ((aDay.put + aDay.list) * 0.005 + aDay.get * 0.0004) / 1000;
  const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(2);
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const newest = store.countOf(/checkpoint\.parquet$/);
  const storedGb = (24 * 7 * logBytes) / 1e9;
  const rows: [string, string, string][] = [
    ['entry of the log', `${mib(logBytes / (COMMITS_A_HOUR * REPLICAS))} MiB`, ''],
    ['log a day', `${gib(24 * logBytes)} GiB`, ''],
    ['log kept for a week', `${gib(24 * 7 * logBytes)} GiB, ${(storedGb * 0.023).toFixed(2)} USD a month`, ''],
    ['checkpoint', `${mib(store.bytesOf(/checkpoint\.parquet$/) / newest)} MiB, ${checkpoints} an hour`, ''],
    ['transactions in the state', String(cold.txns), ''],
    ['cold start', `${cold.seconds.toFixed(2)} s (${LATENCY_MS} ms a request)`, `< ${GOAL_COLD_START_S} s`],
    ['… requests', `${cold.requests.get} GET, ${cold.requests.list} LIST, ${mib(cold.requests.getBytes)} MiB`, ''],
    ['… entries after the checkpoint', String(cold.entries), ''],
    ['requests a day', `${aDay.put} PUT, ${aDay.list} LIST, ${aDay.get} GET`, ''],
    [
      '… their price',
      `${usd.toFixed(2)} USD a day, ${(30 * usd).toFixed(2)} USD a month`,
      `< ${GOAL_USD_A_DAY} USD a day`,
    ],
  ];
  process.stdout.write(`${textTable([['what', 'measured', 'goal'], ...rows])}\n`);
  if (cold.seconds >= GOAL_COLD_START_S || usd >= GOAL_USD_A_DAY) process.exitCode = 1;
}
