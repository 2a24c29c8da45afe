// Reads the status of clusters from their logs and a session over their newest files. Joins table, upkeep and query, which do not know
// one another. Judges nodes; says of nothing whether it is good or bad.
import { readLossRows, readNodeRows, readRecordedNodes, rowsSince } from '../query/recent-rows.ts';
import type { QuerySession } from '../query/session.ts';
import { unwatchedNodes } from '../query/unwatched-nodes.ts';
import type { ObjectStore } from '../store/store.ts';
import { readCommitTime } from '../table/commit-time.ts';
import type { AddAction } from '../table/delta-actions.ts';
import type { DeltaLog } from '../table/delta-log.ts';
import { agentsHeard, newestBatchMs } from '../table/epoch-notes.ts';
import { rolledUpVersion } from '../upkeep/roll-up.ts';
import { judgeNodes, type NodeList } from './nodes.ts';
import type { ClusterStatus, RollUpStatus, StoreStatus, TableStatus } from './status.ts';

const HOUR_MS = 3_600_000;

/** A file made this long before a period has no row of it: clocks of nodes and replicas differ by less. */
const CLOCKS_MS = HOUR_MS;

/** Recorded nodes are recorded again after twelve hours at most. */
const RECORDED_MS = 26 * HOUR_MS;

/** The logs of one cluster, read. */
export interface ClusterLogs {
  readonly cluster: string;
  readonly flows: DeltaLog;
  readonly costs: DeltaLog;
  readonly endpoints: DeltaLog;
}

export interface StatusRules {
  readonly nowMs: number;
  readonly sinceMs: number;
  /** Nothing has come for long when it is longer than this, ms. */
  readonly stalledMs: number;
  /** A node may be silent, behind, or without an agent after it was made, for so long, ms. */
  readonly silentMs: number;
}

/** Whether rows of this file are wanted: those of the period, and of `endpoints` what tells which nodes exist. */
export function isRecentFile(
  logs: ClusterLogs,
  table: TableStatus['table'],
  file: AddAction,
  rules: StatusRules,
): boolean {
  const { asOfMs, sinceMs } = periodOf(logs, rules);
  switch (table) {
    case 'flows':
      return file.modificationTime >= sinceMs - CLOCKS_MS;
    case 'endpoints':
      return file.modificationTime >= asOfMs - RECORDED_MS;
    case 'costs_hourly':
      return false;
  }
}

export interface StatusParts {
  readonly store: ObjectStore;
  /** Has the files for which `isRecentFile` holds. */
  readonly session: QuerySession;
  readonly clusters: readonly ClusterLogs[];
  /** When each node was made that the API of Kubernetes has, if it was asked. */
  readonly kubernetesNodes?: ReadonlyMap<string, number> | undefined;
}

export async function readStatus(
  { store, session, clusters, kubernetesNodes }: StatusParts,
  rules: StatusRules,
): Promise<StoreStatus> {
  const { nowMs, sinceMs } = rules;
  const rows = {
    nodes: await readNodeRows(session, sinceMs),
    losses: await readLossRows(session, sinceMs),
    named: await unwatchedNodes(session, rowsSince(sinceMs)),
    recorded: await readRecordedNodes(session),
  };
  const status = async (logs: ClusterLogs): Promise<ClusterStatus> => {
    const { cluster, flows, costs, endpoints } = logs;
    const isHere = <T extends { readonly cluster: string }>(row: T): boolean => row.cluster === cluster;
    const period = periodOf(logs, rules);
    const list = kubernetesNodes ? apiList(kubernetesNodes) : recordedList(rows.recorded.filter(isHere));
    const flowsStatus = await tableStatus(store, 'flows', flows);
    return {
      cluster,
      tables: [
        flowsStatus,
        await tableStatus(store, 'costs_hourly', costs),
        await tableStatus(store, 'endpoints', endpoints),
      ],
      rollUp: await rollUpStatus(store, flows, costs, flowsStatus.newestCommitMs),
      newestBatchMs: newestBatchMs(flows.txns) ?? null,
      asOfMs: period.asOfMs,
      nodes: judgeNodes(
        {
          agents: agentsHeard(flows.txns),
          rows: new Map(rows.nodes.filter(isHere).map((row) => [row.node, row])),
          named: rows.named.filter(isHere).map(({ node }) => node),
          list,
        },
        { ...period, silentMs: rules.silentMs },
      ),
      nodesListedBy: list?.source ?? null,
      losses: rows.losses.filter(isHere),
    };
  };
  return { nowMs, sinceMs, clusters: await Promise.all(clusters.map(status)) };
}

/**
 * The period in which nodes are judged. Where nothing has come for long, all are silent, which says nothing of any: then as they were when
 * something last came.
 */
function periodOf(
  { flows }: Pick<ClusterLogs, 'flows'>,
  { nowMs, sinceMs, stalledMs }: StatusRules,
): { readonly asOfMs: number; readonly sinceMs: number } {
  const newestMs = newestBatchMs(flows.txns) ?? nowMs;
  const asOfMs = nowMs - newestMs > stalledMs ? newestMs : nowMs;
  return { asOfMs, sinceMs: asOfMs - (nowMs - sinceMs) };
}

async function tableStatus(store: ObjectStore, table: TableStatus['table'], log: DeltaLog): Promise<TableStatus> {
  const files = [...log.files.values()];
  return {
    table,
    version: log.version < 0 ? null : log.version,
    fileCount: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    newestCommitMs: log.version < 0 ? null : ((await readCommitTime(store, log.root, log.version))?.ms ?? null),
  };
}

async function rollUpStatus(
  store: ObjectStore,
  flows: DeltaLog,
  costs: DeltaLog,
  newestCommitMs: number | null,
): Promise<RollUpStatus> {
  const rolledUp = rolledUpVersion(costs);
  const version = rolledUp < 0 ? null : rolledUp;
  const waitingCount = Math.max(0, flows.version - rolledUp);
  if (waitingCount === 0) return { version, waitingCount, waitingSinceMs: null, dueSinceMs: null, isBroken: false };
  const first = await readCommitTime(store, flows.root, rolledUp + 1);
  const waitingSinceMs = first?.ms ?? null;
  const hourEndMs = waitingSinceMs === null ? null : (Math.floor(waitingSinceMs / HOUR_MS) + 1) * HOUR_MS;
  const isDue = hourEndMs !== null && newestCommitMs !== null && newestCommitMs >= hourEndMs;
  return { version, waitingCount, waitingSinceMs, dueSinceMs: isDue ? hourEndMs : null, isBroken: first === undefined };
}

const apiList = (nodes: ReadonlyMap<string, number>): NodeList => ({
  source: 'kubernetes',
  existing: nodes,
  isGone: (node) => !nodes.has(node),
});

/** Of a node that was not recorded lately nobody knows anything. */
function recordedList(
  nodes: readonly { readonly node: string; readonly knownSinceMs: number | undefined }[],
): NodeList | undefined {
  if (nodes.length === 0) return undefined;
  const existing = new Map<string, number>();
  const gone = new Set<string>();
  for (const { node, knownSinceMs } of nodes) {
    if (knownSinceMs === undefined) gone.add(node);
    else existing.set(node, knownSinceMs);
  }
  return { source: 'endpoints', existing, isGone: (node) => gone.has(node) };
}
