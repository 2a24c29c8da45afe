// A report as text for people, as JSON, and as CSV. JSON and CSV are exact: integers of bytes, decimal text of money. Decides
// looks only; every figure comes from the report.
import { prettyJson } from './cell.ts';
import { csvLine } from './csv.ts';
import type { ByteCounts, LossSummary, Measures, Report, ReportOptions } from './report.ts';
import { printable, renderTable, type TextColumn } from './text-table.ts';
import { bytesText, countText, minuteText, percent, percentText, usdExact, usdText } from './units.ts';
import type { UnwatchedNode } from './unwatched-nodes.ts';

/** Shown where a row has no value for a key. */
const NO_KEY = '-';
/** Shown where nothing of a sum has a price: unknown is not zero. */
const NO_PRICE = '?';
/** Nodes without an agent that are named. */
const NODES_MAX = 10;

/** For terminals. The last lines are what the total does not have, or has without being sure. */
export function reportText(report: Report, unwatched: readonly UnwatchedNode[]): string {
  const { groups, total, options } = report;
  if (report.firstWindowStartUs === null || report.lastWindowEndUs === null) {
    return nothingText(options);
  }
  const shownCost = groups.reduce((sum, group) => sum + (group.cost ?? 0n), 0n);
  const hiddenCount = report.groupCount - BigInt(groups.length);
  const showUnpriced = total.unpricedBytes > 0n;
  const showUncertain = uncertainCost(total) > 0n;
  const columns: TextColumn[] = [
    ...options.by.map(
      ({ name }): TextColumn => ({ title: name.toUpperCase(), align: isNumeric(name) ? 'right' : 'left' }),
    ),
    { title: 'SENT', align: 'right' },
    { title: 'RECEIVED', align: 'right' },
    { title: 'CONNECTIONS', align: 'right' },
    ...(showUnpriced ? [{ title: 'UNPRICED', align: 'right' } as const] : []),
    { title: 'COST (USD)', align: 'point' },
    ...(showUncertain ? [{ title: 'NOT CERTAIN', align: 'right' } as const] : []),
  ];
  const cells = (keys: readonly (string | null)[], sums: Measures) => [
    ...options.by.map((_, i) => (keys[i] === undefined ? '' : (keys[i] ?? NO_KEY))),
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
    `Cluster ${report.clusters.join(', ')}, ${periodText(report.firstWindowStartUs, report.lastWindowEndUs)}`,
    ...(options.filter === undefined ? [] : [`Only ${options.filter.text}`]),
    '',
    ...renderTable(columns, rows, [cells(['Total'], total)]),
    '',
    ...missingLines(report, unwatched),
    '',
  ].join('\n');
}

function nothingText({ sinceMs, untilMs, filter }: ReportOptions): string {
  const isAll = sinceMs === undefined && untilMs === undefined;
  if (filter !== undefined) return `There are no flows${isAll ? '' : ' in this period'} that meet ${filter.text}\n`;
  return isAll ? 'There are no flows in the store yet.\n' : 'There are no flows in this period.\n';
}

function isNumeric(name: string): boolean {
  return name === 'port';
}

function sumOf(groups: readonly Measures[], measure: Exclude<keyof Measures, 'cost'>): bigint {
  return groups.reduce((sum, group) => sum + group[measure], 0n);
}

/** All of the cost that is not certain. */
function uncertainCost({ estimatedCost, disputedCost, incompleteCost }: Measures): bigint {
  return estimatedCost + disputedCost + incompleteCost;
}

function periodText(startUs: bigint, endUs: bigint): string {
  return `${minuteText(startUs)} to ${minuteText(endUs)} UTC`;
}

/** Lines of text on what the total does not say, with shares of its bytes or its cost; one line if there is nothing to say. */
export function missingLines(report: Report, unwatched: readonly UnwatchedNode[]): string[] {
  const { total } = report;
  const bytes = total.txBytes + total.rxBytes;
  const withoutCost = [
    ...bytesLine('unknown class', report.unknownClass, bytes, ''),
    ...bytesLine('no rate', report.unpriced, bytes, ''),
    ...bytesLine(
      'processing',
      report.unpricedProcessing,
      bytes,
      ' through a gateway or balancer whose rate is not known',
    ),
  ];
  const outside = [
    ...report.losses.map((loss) => [`lost: ${loss.reason}`, lossText(loss, bytes + knownLoss(report))] as const),
    ...bytesLine(
      'encapsulation',
      report.encapsulation,
      undefined,
      ' in tunnels between nodes; what they carry is counted above',
    ),
    ...unwatchedLine(unwatched),
  ];
  const uncertain = [
    ...costLine('estimated', total.estimatedCost, total, ''),
    ...costLine('disputed', total.disputedCost, total, ''),
    ...costLine('incomplete', total.incompleteCost, total, ' known of what lacks a rate'),
  ];
  const lines = [
    ...section('Bytes in the total whose cost is not:', withoutCost),
    ...section('Not in the total at all:', outside),
    ...section('In the total cost, but not certain:', uncertain),
  ];
  return lines.length === 0 ? ['Nothing is missing: no unknown, unpriced, lost or estimated traffic.'] : lines;
}

/** Bytes that are known to be lost. */
function knownLoss({ losses }: Report): bigint {
  return losses.reduce((sum, { knownBytes }) => sum + (knownBytes ?? 0n), 0n);
}

type Line = readonly [label: string, text: string];

function section(title: string, lines: readonly Line[]): string[] {
  const width = Math.max(...lines.map(([label]) => label.length));
  return lines.length === 0 ? [] : [title, ...lines.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`)];
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

function costLine(label: string, cost: bigint, total: Measures, suffix: string): Line[] {
  return cost === 0n ? [] : [[label, `${usdText(cost)}${shareText(cost, total.cost ?? 0n)}${suffix}`]];
}

function shareText(part: bigint, whole: bigint): string {
  return part === 0n ? '' : ` (${percentText(part, whole)})`;
}

function unwatchedLine(unwatched: readonly UnwatchedNode[]): Line[] {
  if (unwatched.length === 0) return [];
  const names = unwatched.slice(0, NODES_MAX).map(({ cluster, node }) => printable(`${cluster}/${node}`));
  const more = unwatched.length - names.length;
  return [['no agent', `what these nodes pay for: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`]];
}

/** @param all bytes of the total and those that are known to be lost */
function lossText(loss: LossSummary, all: bigint): string {
  const parts: string[] = [];
  if (loss.knownBytes !== null) {
    parts.push(`${bytesText(loss.knownBytes)}${shareText(loss.knownBytes, all)}`);
  }
  if (loss.unknownHours > 0n) {
    const limit = loss.unknownBytesMax === null ? '' : ` (at most ${bytesText(loss.unknownBytesMax)})`;
    parts.push(`an unknown amount${limit} in ${countText(loss.unknownHours)} ${plural(loss.unknownHours, 'hour')}`);
  }
  const entries = loss.entries === 0n ? '' : `; ${countText(loss.entries)} ${plural(loss.entries, 'connection')}`;
  return parts.join(' and ') + entries;
}

function plural(count: bigint, noun: string): string {
  return count === 1n ? noun : `${noun}s`;
}

/** Key names in JSON and CSV: like columns. */
function keyNames(report: Report): string[] {
  return report.options.by.map(({ name }) => (name.startsWith('label:') ? name : name.replaceAll('-', '_')));
}

/** One JSON document. Bytes are integers, money is decimal text, null is unknown. */
export function reportJson(report: Report, unwatched: readonly UnwatchedNode[]): string {
  const names = keyNames(report);
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
      unpriced_processing: sharedBytesObject(report.unpricedProcessing, bytes),
      encapsulation: bytesObject(report.encapsulation),
      unwatched_nodes: unwatched.map(({ cluster, node }) => ({ cluster, node })),
      lost: report.losses.map((loss) => ({
        reason: loss.reason,
        hours: loss.hours,
        connections: loss.entries,
        known_bytes: loss.knownBytes ?? 0n,
        percent: percent(loss.knownBytes ?? 0n, bytes + knownLoss(report)),
        unknown_hours: loss.unknownHours,
        unknown_bytes_max: loss.unknownBytesMax,
      })),
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

function isoOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

function microsOrNull(micros: bigint | null): string | null {
  return micros === null ? null : new Date(Number(micros / 1000n)).toISOString();
}

/** The groups as lines. What is missing from their total is not among them: see `missingLines`. */
export function reportCsv(report: Report): string {
  const header = [
    ...keyNames(report),
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
