// A report as text for people, as JSON, and as CSV. JSON and CSV are exact: integers of bytes, decimal text of money. Decides
// looks only; every figure comes from the report.
import { prettyJson } from './cell.ts';
import { csvLine } from './csv.ts';
import type { ByteCounts, LossSummary, Measures, Report, ReportOptions } from './report.ts';
import { printable, renderTable, type TextColumn } from './text-table.ts';
import { bytesText, countText, minuteText, usdExact, usdText } from './units.ts';
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
  const columns: TextColumn[] = [
    ...options.by.map(
      ({ name }): TextColumn => ({ title: name.toUpperCase(), align: isNumeric(name) ? 'right' : 'left' }),
    ),
    { title: 'SENT', align: 'right' },
    { title: 'RECEIVED', align: 'right' },
    { title: 'CONNECTIONS', align: 'right' },
    ...(showUnpriced ? [{ title: 'UNPRICED', align: 'right' } as const] : []),
    { title: 'COST (USD)', align: 'point' },
  ];
  const cells = (keys: readonly (string | null)[], sums: Measures) => [
    ...options.by.map((_, i) => (keys[i] === undefined ? '' : (keys[i] ?? NO_KEY))),
    bytesText(sums.txBytes),
    bytesText(sums.rxBytes),
    countText(sums.connections),
    ...(showUnpriced ? [sums.unpricedBytes === 0n ? '' : bytesText(sums.unpricedBytes)] : []),
    sums.cost === null ? NO_PRICE : usdText(sums.cost),
  ];
  const rows = groups.map((group) => cells(group.keys, group));
  if (hiddenCount > 0n) {
    const hidden: Measures = {
      txBytes: total.txBytes - sumOf(groups, 'txBytes'),
      rxBytes: total.rxBytes - sumOf(groups, 'rxBytes'),
      connections: total.connections - sumOf(groups, 'connections'),
      cost: total.cost === null ? null : total.cost - shownCost,
      unpricedBytes: total.unpricedBytes - sumOf(groups, 'unpricedBytes'),
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

function periodText(startUs: bigint, endUs: bigint): string {
  return `${minuteText(startUs)} to ${minuteText(endUs)} UTC`;
}

/** Lines of text on what the total does not say; one line if there is nothing to say. */
export function missingLines(report: Report, unwatched: readonly UnwatchedNode[]): string[] {
  const withoutCost = [
    ...bytesLine('unknown class', report.unknownClass, ''),
    ...bytesLine('no rate', report.unpriced, ''),
    ...bytesLine('processing', report.unpricedProcessing, ' through a gateway or balancer whose rate is not known'),
  ];
  const outside = [
    ...report.losses.map((loss) => [`lost: ${loss.reason}`, lossText(loss)] as const),
    ...bytesLine('encapsulation', report.encapsulation, ' in tunnels between nodes; what they carry is counted above'),
    ...unwatchedLine(unwatched),
  ];
  const uncertain = [
    ...(report.estimatedCost === 0n ? [] : [['estimated', usdText(report.estimatedCost)] as const]),
    ...(report.disputedCost === 0n ? [] : [['disputed', usdText(report.disputedCost)] as const]),
  ];
  const lines = [
    ...section('Bytes in the total whose cost is not:', withoutCost),
    ...section('Not in the total at all:', outside),
    ...section('In the total cost, but not certain:', uncertain),
  ];
  return lines.length === 0 ? ['Nothing is missing: no unknown, unpriced, lost or estimated traffic.'] : lines;
}

type Line = readonly [label: string, text: string];

function section(title: string, lines: readonly Line[]): string[] {
  const width = Math.max(...lines.map(([label]) => label.length));
  return lines.length === 0 ? [] : [title, ...lines.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`)];
}

function bytesLine(label: string, counts: ByteCounts, suffix: string): Line[] {
  if (counts.hours === 0n) {
    return [];
  }
  return [[label, `${bytesText(counts.txBytes)} sent, ${bytesText(counts.rxBytes)} received${suffix}`]];
}

function unwatchedLine(unwatched: readonly UnwatchedNode[]): Line[] {
  if (unwatched.length === 0) return [];
  const names = unwatched.slice(0, NODES_MAX).map(({ cluster, node }) => printable(`${cluster}/${node}`));
  const more = unwatched.length - names.length;
  return [['no agent', `what these nodes pay for: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`]];
}

function lossText(loss: LossSummary): string {
  const parts: string[] = [];
  if (loss.knownBytes !== null) {
    parts.push(bytesText(loss.knownBytes));
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
      unknown_class: bytesObject(report.unknownClass),
      unpriced: bytesObject(report.unpriced),
      unpriced_processing: bytesObject(report.unpricedProcessing),
      encapsulation: bytesObject(report.encapsulation),
      unwatched_nodes: unwatched.map(({ cluster, node }) => ({ cluster, node })),
      lost: report.losses.map((loss) => ({
        reason: loss.reason,
        hours: loss.hours,
        connections: loss.entries,
        known_bytes: loss.knownBytes ?? 0n,
        unknown_hours: loss.unknownHours,
        unknown_bytes_max: loss.unknownBytesMax,
      })),
    },
    not_certain: {
      estimated_cost_usd: usdExact(report.estimatedCost),
      disputed_cost_usd: usdExact(report.disputedCost),
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
  };
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
  const header = [...keyNames(report), 'tx_bytes', 'rx_bytes', 'connections', 'unpriced_bytes', 'cost_usd'];
  const lines = report.groups.map((group) =>
    csvLine([
      ...group.keys,
      group.txBytes.toString(),
      group.rxBytes.toString(),
      group.connections.toString(),
      group.unpricedBytes.toString(),
      group.cost === null ? null : usdExact(group.cost),
    ]),
  );
  return csvLine(header) + lines.join('');
}
