// Why one flow of the table has its class and its price, as text for people and as JSON; and where the table says otherwise.
// Decides looks only, but for why the two may differ.
import type { FlowRow, PicoUsd } from '../model/flow-row.ts';
import { type Cell, prettyJson } from '../query/cell.ts';
import { printable, renderTable, type TextColumn } from '../query/text-table.ts';
import { bytesText, countText, minuteText, usdExact, usdText } from '../query/units.ts';
import { decisionCells, decisionLines } from './decision-output.ts';
import type { ExplainedRow } from './explained-row.ts';

/** A stored row, and what the same row would have now. */
export interface Explanation {
  readonly stored: FlowRow;
  readonly explained: ExplainedRow;
  /** Its place among those that fit, from 1. */
  readonly number: number;
  /** How many fit. */
  readonly fittingCount: bigint;
}

interface Difference {
  readonly column: string;
  readonly stored: string | null;
  readonly now: string | null;
}

const LABEL_WIDTH = 17;

/** What is not in the table, and may have decided all the same. */
const NOT_STORED =
  'ids of zones, and addresses that the cluster uses as private ones, are not in the table: they may have decided then';

export function explanationText(explanation: Explanation): string {
  const { stored, explained, number, fittingCount } = explanation;
  const differences = differencesOf(explanation);
  return [
    `Row ${countText(BigInt(number))} of ${countText(fittingCount)} that fit, the costliest first (--list shows them, --row picks one)`,
    '',
    ...flowLines(stored).map(([label, text]) => `${label.padEnd(LABEL_WIDTH)}${printable(text)}`),
    '',
    ...decisionLines(explained, { withSources: true }),
    ...(explained.error === null ? [] : [`${explained.error.code}: ${printable(explained.error.message)}`]),
    '',
    ...(differences.length === 0
      ? ['The table says the same.']
      : [
          'The table says otherwise:',
          ...differences.map(
            ({ column, stored: was, now }) =>
              `  ${column.padEnd(LABEL_WIDTH)}${printable(`${was ?? 'NULL'}, and now ${now ?? 'NULL'}`)}`,
          ),
          'Why that may be:',
          ...reasonsFor(explanation).map((reason) => `  ${printable(reason)}`),
        ]),
    '',
  ].join('\n');
}

/** One document; columns are those of the table. */
export function explanationJson(explanation: Explanation): string {
  const { stored, explained, number, fittingCount } = explanation;
  const differences = differencesOf(explanation);
  const document: Cell = {
    version: 1,
    row: number,
    rows_that_fit: fittingCount,
    flow: {
      window_start: instant(stored.windowStartUs),
      window_end: instant(stored.windowEndUs),
      cluster: stored.cluster,
      node: stored.node,
      local: {
        ...{ kind: stored.localKind, provider: stored.provider, region: stored.region, zone: stored.zone },
        ...{ namespace: stored.namespace, workload_kind: stored.workloadKind, workload: stored.workload },
        ...{ pod: stored.pod, ip: stored.ip },
      },
      peer: {
        ...{ kind: stored.peerKind, cluster: stored.peerCluster, provider: stored.peerProvider },
        ...{ region: stored.peerRegion, zone: stored.peerZone, node: stored.peerNode, name: stored.peerName },
        ...{ namespace: stored.peerNamespace, workload_kind: stored.peerWorkloadKind, workload: stored.peerWorkload },
        ...{ pod: stored.peerPod, ip: stored.peerIp },
      },
      ...{ protocol: stored.protocol, port: stored.port, service: stored.service, initiator: stored.initiator },
      ...{ resolution: stored.resolution, connections: stored.connections, loss_reason: stored.lossReason },
    },
    now: { ...decisionCells(explained), error: explained.error?.message ?? null },
    stored: Object.fromEntries(priceColumns(stored)),
    differences: differences.map(({ column, stored: was, now }) => ({ column, stored: was, now })),
    reasons_for_differences: differences.length === 0 ? [] : reasonsFor(explanation),
  };
  return `${prettyJson(document)}\n`;
}

const LIST_COLUMNS: readonly TextColumn[] = [
  { title: 'ROW', align: 'right' },
  { title: 'WINDOW', align: 'left' },
  { title: 'NODE', align: 'left' },
  { title: 'LOCAL', align: 'left' },
  { title: 'PEER', align: 'left' },
  { title: 'PORT', align: 'left' },
  { title: 'CLASS', align: 'left' },
  { title: 'PATH', align: 'left' },
  { title: 'SENT', align: 'right' },
  { title: 'RECEIVED', align: 'right' },
  { title: 'COST (USD)', align: 'point' },
];

/** The first rows that fit, to pick one of. */
export function rowListText(rows: readonly FlowRow[], fittingCount: bigint): string {
  const lines = rows.map((row, i) => [
    String(i + 1),
    minuteText(BigInt(row.windowStartUs)),
    row.node,
    localName(row),
    peerName(row),
    portText(row),
    row.trafficClass,
    row.path ?? '',
    bytesText(BigInt(row.txBytes ?? 0)),
    bytesText(BigInt(row.rxBytes ?? 0)),
    costText(row),
  ]);
  const more = fittingCount - BigInt(rows.length);
  return [...renderTable(LIST_COLUMNS, lines), ...(more > 0n ? [`… ${countText(more)} more`] : []), ''].join('\n');
}

function costText({ txCost, rxCost, processingCost }: FlowRow): string {
  const known = [txCost, rxCost, processingCost].filter((cost) => cost !== null);
  return known.length === 0 ? '?' : usdText(known.reduce((sum, cost) => sum + cost, 0n));
}

function flowLines(row: FlowRow): [label: string, text: string][] {
  const period = `${minuteText(BigInt(row.windowStartUs))} to ${minuteText(BigInt(row.windowEndUs)).slice(11)} UTC`;
  const opened = row.initiator === null ? '' : `, opened by the ${row.initiator === 'local' ? 'local side' : 'peer'}`;
  return [
    ['window', `${period}, cluster ${row.cluster}, node ${row.node}`],
    ['local', localName(row)],
    ['peer', `${peerName(row)}${row.peerCluster === null ? '' : `, cluster ${row.peerCluster}`}`],
    ['connection', `${portText(row)}${row.service === null ? '' : `, service ${row.service}`}${opened}`],
  ];
}

function portText({ protocol, port }: FlowRow): string {
  return [protocol ?? '?', ...(port === null ? [] : [String(port)])].join(' ');
}

function localName(row: FlowRow): string {
  return nameOf(row.localKind, row.namespace, row.pod ?? row.workload, row.ip ?? row.node);
}

function peerName(row: FlowRow): string {
  const name = row.peerPod ?? row.peerWorkload ?? row.peerName ?? row.peerNode;
  return nameOf(row.peerKind, row.peerNamespace, name, row.peerIp ?? '');
}

function nameOf(kind: string | null, namespace: string | null, name: string | null, address: string): string {
  const own = name === null ? address : namespace === null ? name : `${namespace}/${name}`;
  return `${kind ?? 'unknown'} ${own}`.trimEnd();
}

function priceColumns(row: FlowRow): [column: string, text: string | null][] {
  const usd = (pico: PicoUsd | null) => (pico === null ? null : usdExact(pico));
  return [
    ['traffic_class', row.trafficClass],
    ['path', row.path],
    ['tx_cost', usd(row.txCost)],
    ['rx_cost', usd(row.rxCost)],
    ['processing_cost', usd(row.processingCost)],
    ['price_book', row.priceBook],
    ['price_basis', row.priceBasis],
  ];
}

function differencesOf({ stored, explained }: Explanation): Difference[] {
  const now = new Map(priceColumns(explained.row));
  return priceColumns(stored)
    .map(([column, was]) => ({ column, stored: was, now: now.get(column) ?? null }))
    .filter((difference) => difference.stored !== difference.now);
}

function reasonsFor({ stored, explained: { row } }: Explanation): string[] {
  return [
    ...(stored.priceBook === row.priceBook
      ? []
      : [`another price book: ${stored.priceBook ?? 'none'} then, ${row.priceBook ?? 'none'} now`]),
    'another pricing configuration, or another version of Flowtoll (--pricing names the configuration)',
    NOT_STORED,
  ];
}

function instant(us: number): string {
  return new Date(us / 1000).toISOString();
}
