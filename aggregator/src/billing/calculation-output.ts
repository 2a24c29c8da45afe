// What the calculator found, as text for people, as JSON, and as CSV. JSON and CSV are exact: bytes are integers, money is decimal text.
// Decides looks only.
import { type Cell, prettyJson } from '../query/cell.ts';
import { csvLine } from '../query/csv.ts';
import { printable, renderTable, type TextColumn } from '../query/text-table.ts';
import { bytesText, countText, usdExact } from '../query/units.ts';
import type { CalculatedFlow, CalculatedMonth, Calculation } from './calculate.ts';
import { usdShort } from './decimal-text.ts';
import { decisionCells, decisionLines } from './decision-output.ts';
import { withoutDefaultAddresses } from './input-row.ts';
import { statementCells, statementText } from './statement-output.ts';

const NO_PRICE = '?';

const COLUMNS: readonly TextColumn[] = [
  { title: 'FLOW', align: 'left' },
  { title: 'DATE', align: 'left' },
  { title: 'TIMES', align: 'right' },
  { title: 'CLASS', align: 'left' },
  { title: 'PATH', align: 'left' },
  { title: 'SENT', align: 'right' },
  { title: 'RECEIVED', align: 'right' },
  { title: 'TX COST', align: 'point' },
  { title: 'RX COST', align: 'point' },
  { title: 'PROCESSING', align: 'point' },
  { title: 'BASIS', align: 'left' },
];

/** For terminals: all flows as a table, why each has its price, then the months' statements. */
export function calculationText({ flows, months }: Calculation): string {
  const isRepeated = flows.some(({ flow }) => flow.times > 1);
  const isShown = ({ title }: TextColumn) => title !== 'TIMES' || isRepeated;
  const rows = flows.map((flow) => flowCells(flow).filter((_, i) => isShown(COLUMNS[i]!)));
  return [
    ...renderTable(COLUMNS.filter(isShown), rows),
    '',
    'USD, as a row of the table has them: in the tier that rows are priced in.',
    '',
    ...flows.flatMap((flow) => [...flowLines(flow), '']),
    ...months.map(monthText),
  ].join('\n');
}

function flowCells({ flow, row, decision }: CalculatedFlow): string[] {
  const cost = (pico: bigint | null) => (pico === null ? NO_PRICE : usdShort(pico));
  return [
    flow.name,
    flow.date,
    countText(BigInt(flow.times)),
    decision.trafficClass,
    decision.path ?? '',
    bytesText(BigInt(row.txBytes ?? 0)),
    bytesText(BigInt(row.rxBytes ?? 0)),
    cost(row.txCost),
    cost(row.rxCost),
    cost(row.processingCost),
    row.priceBasis ?? 'none',
  ];
}

function flowLines(flow: CalculatedFlow): string[] {
  const times = flow.flow.times === 1 ? '' : `, ${countText(BigInt(flow.flow.times))} times`;
  return [
    printable(`${flow.flow.name} (${flow.flow.date}${times})`),
    ...decisionLines({ ...flow, row: withoutDefaultAddresses(flow.row) }, { withSources: false }).map(
      (line) => `  ${line}`,
    ),
    ...(flow.ignoredPath === null ? [] : [`  not on this way: ${flow.ignoredPath}`]),
    ...(flow.error === null ? [] : [`  ${flow.error.code}: ${printable(flow.error.message)}`]),
  ];
}

function monthText(month: CalculatedMonth): string {
  const { statement, rowsTotal, incomplete } = month;
  const difference = statement.total - rowsTotal;
  const lines = [
    `The rows of ${month.month} cost ${usdShort(rowsTotal)} USD in sum, the statement says ${usdShort(statement.total)} USD: ${differenceText(difference)}.`,
    ...(incomplete.length === 0
      ? []
      : [`Without costs that are not known, of: ${incomplete.map(printable).join(', ')}.`]),
  ];
  return `${statementText([month])}\n${lines.join('\n')}\n`;
}

function differenceText(difference: bigint): string {
  if (difference === 0n) return 'the same';
  return difference > 0n
    ? `${usdShort(difference)} more, by tiers or rounding`
    : `${usdShort(-difference)} less, by free amounts, tiers or rounding`;
}

/** One document. */
export function calculationJson({ flows, months }: Calculation): string {
  const document: Cell = {
    version: 1,
    flows: flows.map((calculated) => ({
      name: calculated.flow.name,
      date: calculated.flow.date,
      times: calculated.flow.times,
      ...decisionCells(calculated),
      ignored_path: calculated.ignoredPath,
      error: calculated.error === null ? null : { code: calculated.error.code, message: calculated.error.message },
    })),
    months: months.map((month) => ({
      ...(statementCells([month])[0] as { readonly [key: string]: Cell }),
      rows_total_usd: usdExact(month.rowsTotal),
      incomplete: [...month.incomplete],
    })),
  };
  return `${prettyJson(document)}\n`;
}

/** A line for each flow; statements are not among them. */
export function calculationCsv({ flows }: Calculation): string {
  const header = [
    ...['name', 'date', 'times', 'class', 'path', 'tx_bytes', 'rx_bytes'],
    ...['tx_cost_usd', 'rx_cost_usd', 'processing_cost_usd', 'price_book', 'price_basis', 'error'],
  ];
  const usd = (pico: bigint | null) => (pico === null ? null : usdExact(pico));
  const rows = flows.map(({ flow, row, decision, error }) => [
    ...[flow.name, flow.date, String(flow.times), decision.trafficClass, decision.path],
    ...[String(row.txBytes ?? 0), String(row.rxBytes ?? 0)],
    ...[usd(row.txCost), usd(row.rxCost), usd(row.processingCost), row.priceBook, row.priceBasis, error?.code ?? null],
  ]);
  return [header, ...rows].map(csvLine).join('');
}
