// A report as text for people, as JSON, and as CSV. JSON and CSV are exact: integers of bytes, decimal text of money. Decides
// looks only; every figure comes from the report.
import { prettyJson } from './cell.ts';
import { csvLine } from './csv.ts';
import type { ByteCounts, LossSummary, Measures, Report } from './report.ts';
import {
  headLines,
  isoOrNull,
  keyCells,
  keyColumns,
  keyNames,
  knownLossBytes,
  type Line,
  lossLines,
  microsOrNull,
  NO_PRICE,
  nothingText,
  section,
  shareText,
} from './report-words.ts';
import { printable, renderTable, type TextColumn } from './text-table.ts';
import { bytesText, countText, percent, percentText, usdExact, usdText } from './units.ts';
import type { UnwatchedNode } from './unwatched-nodes.ts';

/** Nodes without an agent that are named. */
const NODES_MAX = 10;

/** For terminals. The last lines are what the total does not have, or has without being sure. */
export function reportText(report: Report, unwatched: readonly UnwatchedNode[]): string {
  const { groups, total, options } = report;
  if (report.firstWindowStartUs === null) return nothingText(options);
  const shownCost = groups.reduce((sum, group) => sum + (group.cost ?? 0n), 0n);
  const hiddenCount = report.groupCount - BigInt(groups.length);
  const showUnpriced = total.unpricedBytes > 0n;
  const showUncertain = uncertainCost(total) > 0n;
  const columns: TextColumn[] = [
    ...keyColumns(options),
    { title: 'SENT', align: 'right' },
    { title: 'RECEIVED', align: 'right' },
    { title: 'CONNECTIONS', align: 'right' },
    ...(showUnpriced ? [{ title: 'UNPRICED', align: 'right' } as const] : []),
    { title: 'COST (USD)', align: 'point' },
    ...(showUncertain ? [{ title: 'NOT CERTAIN', align: 'right' } as const] : []),
  ];
  const cells = (keys: readonly (string | null)[], sums: Measures) => [
    ...keyCells(options, keys),
    bytesText(sums.txBytes),
    bytesText(sums.rxBytes),
    countText(sums.connections),
    ...(showUnpriced ? [sums.unpricedBytes === 0n ? '' : bytesText(sums.unpricedBytes)] : []),
    sums.cost === null ? NO_PRICE : usdText(sums.cost),
    ...(showUncertain ? [uncertainCost(sums) === 0n ? '' : percentText(uncertainCost(sums), sums.cost ?? 0n)] : []),
  ];
  const rows = groups.map((group) => cells(group.keys, group));
  if (hiddenCount > 0n) {
    const hidden: Measures = {
      txBytes: total.txBytes - sumOf(groups, 'txBytes'),
      rxBytes: total.rxBytes - sumOf(groups, 'rxBytes'),
      connections: total.connections - sumOf(groups, 'connections'),
      cost: total.cost === null ? null : total.cost - shownCost,
      unpricedBytes: total.unpricedBytes - sumOf(groups, 'unpricedBytes'),
      estimatedCost: total.estimatedCost - sumOf(groups, 'estimatedCost'),
      disputedCost: total.disputedCost - sumOf(groups, 'disputedCost'),
      incompleteCost: total.incompleteCost - sumOf(groups, 'incompleteCost'),
    };
    rows.push(cells([`… ${countText(hiddenCount)} more`], hidden));
  }
  return [
    ...headLines(report).map(printable),
    '',
    ...renderTable(columns, rows, [cells(['Total'], total)]),
    '',
    ...missingLines(report, unwatched).map(printable),
    '',
  ].join('\n');
}

function sumOf(groups: readonly Measures[], measure: Exclude<keyof Measures, 'cost'>): bigint {
  return groups.reduce((sum, group) => sum + group[measure], 0n);
}

/** All of the cost that is not certain. */
function uncertainCost({ estimatedCost, disputedCost, incompleteCost }: Measures): bigint {
  return estimatedCost + disputedCost + incompleteCost;
}

/** Lines of text on what the total does not say, with shares of its bytes or its cost; one line if there is nothing to say. */
export function missingLines(report: Report, unwatched: readonly UnwatchedNode[]): string[] {
  const { total } = report;
  const bytes = total.txBytes + total.rxBytes;
  const withoutCost = [
    ...bytesLine('unknown class', report.unknownClass, bytes, ''),
    ...bytesLine('no rate', report.unpriced, bytes, ''),
    ...undirectedLine(report.undirected, bytes),
    ...bytesLine(
      'processing',
      report.unpricedProcessing,
      bytes,
      ' through a gateway or balancer whose rate is not known',
    ),
  ];
  const uncertain = [
    ...costLine('estimated', total.estimatedCost, total, ''),
    ...costLine('disputed', total.disputedCost, total, ''),
    ...costLine('incomplete', total.incompleteCost, total, ' known of what lacks a rate'),
  ];
  const lines = [
    ...section('Bytes in the total whose cost is not:', withoutCost),
    ...section('Not in the total at all:', outsideLines(report, bytes, unwatched)),
    ...section('In the total cost, but not certain:', uncertain),
  ];
  return lines.length === 0 ? ['Nothing is missing: no unknown, unpriced, lost or estimated traffic.'] : lines;
}

/** What is in no sum of costs: lost, in tunnels, or of nodes whose traffic nobody counts. */
export type Outside = Pick<Report, 'losses' | 'encapsulation'>;

/** @param bytes of the total, without what is lost */
export function outsideLines(
  { losses, encapsulation }: Outside,
  bytes: bigint,
  unwatched: readonly UnwatchedNode[],
): Line[] {
  const tunnels = ' in tunnels between nodes; what they carry is counted above';
  return [
    ...lossLines(losses, bytes),
    ...bytesLine('encapsulation', encapsulation, undefined, tunnels),
    ...unwatchedLine(unwatched),
  ];
}

/** @param bytes of the total, without what is lost */
export function outsideCells({ losses, encapsulation }: Outside, bytes: bigint, unwatched: readonly UnwatchedNode[]) {
  return {
    encapsulation: bytesObject(encapsulation),
    unwatched_nodes: unwatched.map(({ cluster, node }) => ({ cluster, node })),
    lost: lossCells(losses, bytes),
  };
}

/** @param all bytes that they are a share of; undefined: of none */
function bytesLine(
  label: string,
  { hours, txBytes, rxBytes }: ByteCounts,
  all: bigint | undefined,
  suffix: string,
): Line[] {
  if (hours === 0n) {
    return [];
  }
  const share = all === undefined ? '' : shareText(txBytes + rxBytes, all);
  return [[label, `${bytesText(txBytes)} sent, ${bytesText(rxBytes)} received${share}${suffix}`]];
}

function undirectedLine({ hours, txBytes, rxBytes }: ByteCounts, all: bigint): Line[] {
  if (hours === 0n) return [];
  const bytes = txBytes + rxBytes;
  const why = 'counted in both directions together, with no rate that is the same for both';
  return [['no direction', `${bytesText(bytes)}${shareText(bytes, all)} ${why}`]];
}

function costLine(label: string, cost: bigint, total: Measures, suffix: string): Line[] {
  return cost === 0n ? [] : [[label, `${usdText(cost)}${shareText(cost, total.cost ?? 0n)}${suffix}`]];
}

function unwatchedLine(unwatched: readonly UnwatchedNode[]): Line[] {
  if (unwatched.length === 0) return [];
  const names = unwatched.slice(0, NODES_MAX).map(({ cluster, node }) => printable(`${cluster}/${node}`));
  const more = unwatched.length - names.length;
  return [['no agent', `what these nodes pay for: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`]];
}

/** One JSON document. Bytes are integers, money is decimal text, null is unknown. */
export function reportJson(report: Report, unwatched: readonly UnwatchedNode[]): string {
  const names = keyNames(report.options);
  const bytes = report.total.txBytes + report.total.rxBytes;
  const document = {
    clusters: report.clusters,
    since: isoOrNull(report.options.sinceMs),
    until: isoOrNull(report.options.untilMs),
    filter: report.options.filter?.text ?? null,
    first_window_start: microsOrNull(report.firstWindowStartUs),
    last_window_end: microsOrNull(report.lastWindowEndUs),
    group_count: report.groupCount,
    groups: report.groups.map((group) => ({
      ...Object.fromEntries(names.map((name, i) => [name, group.keys[i] ?? null])),
      ...measuresObject(group),
    })),
    total: measuresObject(report.total),
    not_in_total: {
      unknown_class: sharedBytesObject(report.unknownClass, bytes),
      unpriced: sharedBytesObject(report.unpriced, bytes),
      undirected: sharedBytesObject(report.undirected, bytes),
      unpriced_processing: sharedBytesObject(report.unpricedProcessing, bytes),
      ...outsideCells(report, bytes, unwatched),
    },
    not_certain: {
      ...uncertainObject(report.total),
      estimated_percent: percent(report.total.estimatedCost, report.total.cost ?? 0n),
      disputed_percent: percent(report.total.disputedCost, report.total.cost ?? 0n),
      incomplete_percent: percent(report.total.incompleteCost, report.total.cost ?? 0n),
    },
  };
  return `${prettyJson(document)}\n`;
}

/** @param bytes of the total, without what is lost */
function lossCells(losses: readonly LossSummary[], bytes: bigint) {
  const all = bytes + knownLossBytes(losses);
  return losses.map((loss) => ({
    reason: loss.reason,
    hours: loss.hours,
    connections: loss.entries,
    known_bytes: loss.knownBytes ?? 0n,
    percent: percent(loss.knownBytes ?? 0n, all),
    unknown_hours: loss.unknownHours,
    unknown_bytes_max: loss.unknownBytesMax,
  }));
}

function measuresObject(sums: Measures) {
  return {
    tx_bytes: sums.txBytes,
    rx_bytes: sums.rxBytes,
    connections: sums.connections,
    unpriced_bytes: sums.unpricedBytes,
    cost_usd: sums.cost === null ? null : usdExact(sums.cost),
    ...uncertainObject(sums),
  };
}

function uncertainObject(sums: Measures) {
  return {
    estimated_cost_usd: usdExact(sums.estimatedCost),
    disputed_cost_usd: usdExact(sums.disputedCost),
    incomplete_cost_usd: usdExact(sums.incompleteCost),
  };
}

function sharedBytesObject(counts: ByteCounts, all: bigint) {
  return { ...bytesObject(counts), percent: percent(counts.txBytes + counts.rxBytes, all) };
}

function bytesObject(counts: ByteCounts) {
  return { hours: counts.hours, tx_bytes: counts.txBytes, rx_bytes: counts.rxBytes };
}

/** The groups as lines. What is missing from their total is not among them: see `missingLines`. */
export function reportCsv(report: Report): string {
  const header = [
    ...keyNames(report.options),
    ...['tx_bytes', 'rx_bytes', 'connections', 'unpriced_bytes', 'cost_usd'],
    ...['estimated_cost_usd', 'disputed_cost_usd', 'incomplete_cost_usd'],
  ];
  const lines = report.groups.map((group) =>
    csvLine([
      ...group.keys,
      group.txBytes.toString(),
      group.rxBytes.toString(),
      group.connections.toString(),
      group.unpricedBytes.toString(),
      group.cost === null ? null : usdExact(group.cost),
      usdExact(group.estimatedCost),
      usdExact(group.disputedCost),
      usdExact(group.incompleteCost),
    ]),
  );
  return csvLine(header) + lines.join('');
}
