// The status of a store as text for people, and as JSON, exact. Decides looks only.

import { ageText } from '../model/age-text.ts';
import { prettyJson } from '../query/cell.ts';
import type { LossRows } from '../query/recent-rows.ts';
import { printable, renderTable, type TextColumn } from '../query/text-table.ts';
import { bytesText, countText, secondText } from '../query/units.ts';
import type { Finding } from './findings.ts';
import type { NodeState, NodeStatus } from './nodes.ts';
import type { ClusterStatus, RollUpStatus, StoreStatus, TableStatus } from './status.ts';

/** What needs attention, by cluster. */
export type Findings = ReadonlyMap<string, readonly Finding[]>;

/** Shown where there is nothing to show. */
const NOTHING = '-';

const TABLE_COLUMNS: readonly TextColumn[] = [
  { title: 'TABLE', align: 'left' },
  { title: 'VERSION', align: 'right' },
  { title: 'FILES', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'NEWEST COMMIT (UTC)', align: 'left' },
  { title: 'AGE', align: 'right' },
];

/** For terminals. The last lines say what needs attention, or that nothing does. */
export function statusText(status: StoreStatus, findings: Findings): string {
  const lines = status.clusters.flatMap((cluster) => [...clusterLines(cluster, status), '']);
  const attention = [...findings].flatMap(([cluster, some]) =>
    some.flatMap(({ text, action }) => [`  ${printable(cluster)}: ${text}`, `    ${action}`]),
  );
  lines.push(...(attention.length === 0 ? ['All is well.'] : ['Needs attention:', ...attention]), '');
  return lines.join('\n');
}

function clusterLines(cluster: ClusterStatus, { nowMs, sinceMs }: StoreStatus): string[] {
  const facts: (readonly [label: string, text: string])[] = [
    [
      'newest flows',
      cluster.newestBatchMs === null ? 'none yet' : `came ${ageText(nowMs - cluster.newestBatchMs)} ago`,
    ],
    ['rolled up', rollUpText(cluster.rollUp, nowMs)],
    ['nodes', nodesText(cluster, nowMs)],
    ['slowest node', slowestText(cluster, nowMs)],
    ...(cluster.losses.length === 0
      ? [['lost', 'nothing'] as const]
      : cluster.losses.map((loss) => [`lost: ${printable(loss.reason)}`, lossText(loss)] as const)),
  ];
  const width = Math.max(...facts.map(([label]) => label.length));
  return [
    `Cluster ${printable(cluster.cluster)} at ${secondText(nowMs)} UTC; lately is since ${secondText(sinceMs)}`,
    '',
    ...renderTable(
      TABLE_COLUMNS,
      cluster.tables.map((table) => tableCells(table, nowMs)),
    ),
    '',
    ...facts.map(([label, text]) => `${label.padEnd(width)}  ${text}`),
  ];
}

function tableCells({ table, version, fileCount, bytes, newestCommitMs }: TableStatus, nowMs: number): string[] {
  if (version === null) return [table, NOTHING, NOTHING, NOTHING, 'there is none', NOTHING];
  return [
    table,
    countText(BigInt(version)),
    countText(BigInt(fileCount)),
    bytesText(BigInt(bytes)),
    newestCommitMs === null ? 'unknown' : secondText(newestCommitMs),
    newestCommitMs === null ? NOTHING : ageText(nowMs - newestCommitMs),
  ];
}

function rollUpText({ version, waitingCount, waitingSinceMs, dueSinceMs }: RollUpStatus, nowMs: number): string {
  const done = version === null ? 'nothing of flows' : `flows up to version ${countText(BigInt(version))}`;
  if (waitingCount === 0) return `${done}, which is all`;
  const since = waitingSinceMs === null ? '' : `, the oldest for ${ageText(nowMs - waitingSinceMs)}`;
  const when = dueSinceMs === null ? ' until their hour is over' : '';
  return `${done}; ${counted(waitingCount, 'version')} ${waitingCount === 1 ? 'waits' : 'wait'}${when}${since}`;
}

const STATE_WORDS: readonly (readonly [NodeState, string])[] = [
  ['behind', 'behind'],
  ['unwatched', 'without an agent'],
  ['stopped', 'silent'],
  ['new', 'new'],
  ['ended', 'ended'],
  ['gone', 'gone'],
];

function nodesText({ nodes, nodesListedBy, asOfMs }: ClusterStatus, nowMs: number): string {
  const count = (state: NodeState) => nodes.filter((node) => node.state === state).length;
  const parts = [`${count('speaking') + count('behind')} with an agent`];
  for (const [state, words] of STATE_WORDS) {
    if (count(state) > 0) parts.push(`${state === 'behind' ? 'of these ' : ''}${count(state)} ${words}`);
  }
  parts.push(`${nodes.filter(({ rowCount }) => rowCount > 0n).length} with rows lately`);
  const when = asOfMs === nowMs ? '' : `at ${secondText(asOfMs)}: `;
  return `${when}${parts.join(', ')} (${LISTED_BY[nodesListedBy ?? 'nobody']})`;
}

const LISTED_BY = {
  kubernetes: 'nodes of Kubernetes, asked now',
  endpoints: 'nodes of Kubernetes, as recorded in endpoints',
  nobody: 'nobody says which nodes exist',
} as const;

function slowestText({ nodes, asOfMs }: ClusterStatus, nowMs: number): string {
  const slowest = slowestNode(nodes);
  if (slowest === undefined) return NOTHING;
  const age = ageText(asOfMs - slowest.newestWindowEndMs);
  return `${printable(slowest.node)}: its newest window ended ${age} ${asOfMs === nowMs ? 'ago' : 'before that'}`;
}

/** Of the nodes that have an agent, the one whose newest window is the oldest. */
function slowestNode(nodes: readonly NodeStatus[]): (NodeStatus & { readonly newestWindowEndMs: number }) | undefined {
  const heard = nodes.flatMap((node) =>
    (node.state === 'speaking' || node.state === 'behind') && node.newestWindowEndMs !== null
      ? [{ ...node, newestWindowEndMs: node.newestWindowEndMs }]
      : [],
  );
  return heard.toSorted((a, b) => a.newestWindowEndMs - b.newestWindowEndMs)[0];
}

function lossText(loss: LossRows): string {
  const parts: string[] = [];
  if (loss.knownBytes !== null) parts.push(bytesText(loss.knownBytes));
  if (loss.unknownRowCount > 0n) {
    const limit = loss.unknownBytesMax === null ? '' : ` (at most ${bytesText(loss.unknownBytesMax)})`;
    parts.push(`an unknown amount${limit} in ${counted(loss.unknownRowCount, 'row')}`);
  }
  const entries = loss.connections === 0n ? '' : `; ${counted(loss.connections, 'connection')}`;
  return `${parts.join(' and ')}${entries}; ${counted(loss.rowCount, 'row')} of ${counted(loss.nodeCount, 'node')}`;
}

function counted(count: number | bigint, noun: string): string {
  return `${countText(BigInt(count))} ${noun}${BigInt(count) === 1n ? '' : 's'}`;
}

/** One JSON document. Times are ISO 8601 in UTC, bytes and counts integers; null is unknown, or that there is none. */
export function statusJson(status: StoreStatus, findings: Findings): string {
  const isWell = [...findings.values()].every((some) => some.length === 0);
  const document = {
    is_well: isWell,
    at: iso(status.nowMs),
    since: iso(status.sinceMs),
    clusters: status.clusters.map((cluster) => ({
      cluster: cluster.cluster,
      attention: (findings.get(cluster.cluster) ?? []).map(({ code, text, action }) => ({ code, text, action })),
      tables: cluster.tables.map(({ table, version, fileCount, bytes, newestCommitMs }) => ({
        ...{ table, version, files: fileCount, bytes, newest_commit: isoOrNull(newestCommitMs) },
      })),
      newest_flows: isoOrNull(cluster.newestBatchMs),
      rolled_up: {
        version: cluster.rollUp.version,
        versions_waiting: cluster.rollUp.waitingCount,
        waiting_since: isoOrNull(cluster.rollUp.waitingSinceMs),
        due_since: isoOrNull(cluster.rollUp.dueSinceMs),
        is_broken: cluster.rollUp.isBroken,
      },
      nodes_as_of: iso(cluster.asOfMs),
      nodes_listed_by: cluster.nodesListedBy,
      nodes: cluster.nodes.map(({ node, state, rowCount, heardMs, newestWindowEndMs }) => ({
        ...{ node, state, rows: rowCount, heard: isoOrNull(heardMs), newest_window_end: isoOrNull(newestWindowEndMs) },
      })),
      slowest_node: slowestNode(cluster.nodes)?.node ?? null,
      lost: cluster.losses.map((loss) => ({
        reason: loss.reason,
        rows: loss.rowCount,
        nodes: loss.nodeCount,
        connections: loss.connections,
        known_bytes: loss.knownBytes ?? 0n,
        unknown_rows: loss.unknownRowCount,
        unknown_bytes_max: loss.unknownBytesMax,
      })),
    })),
  };
  return `${prettyJson(document)}\n`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms);
}
