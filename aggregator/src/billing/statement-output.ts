// Statements of months as text for people, as JSON, and as CSV. JSON and CSV are exact: bytes are integers, quantities and money are
// decimal text. Decides looks only; every figure comes from the statement.
import type { Basis } from '../pricing/book/words.ts';
import type { Statement, StatementLine } from '../pricing/settle.ts';
import { type Cell, prettyJson } from '../query/cell.ts';
import { csvLine } from '../query/csv.ts';
import { renderTable, type TextColumn } from '../query/text-table.ts';
import { countText, usdExact } from '../query/units.ts';
import { exactDecimal, shortDecimal, usdShort } from './decimal-text.ts';

/** What all providers bill for one month. */
export interface MonthlyStatement {
  /** Calendar month, UTC: "2026-11". */
  readonly month: string;
  readonly statement: Statement;
}

/** Places of quantities for people. */
const QUANTITY_PLACES = 6;
const LEAST_QUANTITY = '0.000001';

/** Unit of a rate that no book lists. */
const NEGOTIATED_UNIT = 'unit';

/** For terminals: a table for each month and provider, then what was assumed. */
export function statementText(months: readonly MonthlyStatement[]): string {
  const parts = months.flatMap(({ month, statement }) => {
    const { assumptions } = statement;
    const bills = byProvider(statement).map((bill) => billText(month, bill));
    return [
      ...(bills.length === 0 ? [`${month}: nothing is billed.`] : bills),
      ...(assumptions.length === 0 ? [] : [['Assumed:', ...assumptions.map((text) => `  ${text}`)].join('\n')]),
    ];
  });
  return `${parts.join('\n\n')}\n`;
}

/** A part of a JSON document; `statementJson` prints it alone. */
export function statementCells(months: readonly MonthlyStatement[]): Cell[] {
  return months.map(({ month, statement }) => ({
    month,
    total_usd: usdExact(statement.total),
    providers: byProvider(statement).map(({ provider, lines }) => ({
      provider,
      total_usd: usdExact(amountOf(lines)),
      estimated_usd: usdExact(amountOf(lines, 'estimated')),
      disputed_usd: usdExact(amountOf(lines, 'disputed')),
      lines: lines.map(lineCells),
    })),
    assumptions: [...statement.assumptions],
  }));
}

/** One JSON document: a list of months. */
export function statementJson(months: readonly MonthlyStatement[]): string {
  return `${prettyJson(statementCells(months))}\n`;
}

/** A line for each line of the bills. What was assumed is not among them. */
export function statementCsv(months: readonly MonthlyStatement[]): string {
  const rows = months.flatMap(({ month, statement }) =>
    byProvider(statement).flatMap(({ provider, lines }) =>
      lines.map(lineCells).map((cells) => [month, provider, ...LINE_KEYS.map((key) => cells[key])]),
    ),
  );
  const text = (cell: Cell) => (cell === null ? null : String(cell));
  return [['month', 'provider', ...LINE_KEYS], ...rows].map((row) => csvLine(row.map(text))).join('');
}

interface Bill {
  readonly provider: string;
  readonly lines: readonly StatementLine[];
}

/** Providers in the order of their first lines. */
function byProvider({ lines }: Statement): Bill[] {
  return [...Map.groupBy(lines, ({ provider }) => provider)].map(([provider, own]) => ({ provider, lines: own }));
}

/** 1e-12 USD: what lines cost in sum; with a basis, those of it. */
export function amountOf(lines: readonly StatementLine[], basis?: Basis): bigint {
  return lines
    .filter((line) => basis === undefined || line.basis === basis)
    .reduce((sum, line) => sum + line.amount, 0n);
}

const LINE_KEYS = [
  'price_book',
  'kind',
  'class',
  'path',
  'service',
  'direction',
  'region',
  'peer_region',
  'meter',
  'allowance',
  'tier_from',
  'bytes',
  'unit',
  'unit_bytes',
  'quantity',
  'usd_per_unit',
  'percent_off',
  'amount_usd',
  'basis',
] as const;

function lineCells(line: StatementLine): Record<(typeof LINE_KEYS)[number], Exclude<Cell, readonly Cell[]>> {
  return {
    price_book: line.book,
    kind: line.kind,
    class: line.trafficClass,
    path: line.path,
    service: line.service,
    direction: line.direction,
    region: line.region,
    peer_region: line.peerRegion,
    meter: line.meter,
    allowance: line.allowance,
    tier_from: line.tierFrom,
    bytes: line.bytes,
    unit: line.unit,
    unit_bytes: line.unitBytes,
    quantity: exactDecimal(line.quantity),
    usd_per_unit: line.usdPerUnit,
    percent_off: line.percentOff,
    amount_usd: usdExact(line.amount),
    basis: line.basis,
  };
}

interface LineColumn extends TextColumn {
  readonly text: (line: StatementLine) => string;
  /** Shown only where some line has something in it. */
  readonly isOptional?: true;
}

const COLUMNS: readonly LineColumn[] = [
  { title: 'WHAT', align: 'left', text: whatText },
  { title: 'METER', align: 'left', isOptional: true, text: ({ meter }) => meter ?? '' },
  { title: 'REGION', align: 'left', text: placeText },
  { title: 'TIER', align: 'left', isOptional: true, text: tierText },
  { title: 'QUANTITY', align: 'point', text: quantityText },
  { title: 'UNIT', align: 'left', text: unitText },
  { title: 'PRICE (USD)', align: 'point', text: ({ usdPerUnit }) => usdPerUnit },
  {
    title: 'OFF',
    align: 'right',
    isOptional: true,
    text: ({ percentOff }) => (percentOff === '0' ? '' : `${percentOff} %`),
  },
  { title: 'BASIS', align: 'left', isOptional: true, text: ({ basis }) => (basis === 'exact' ? '' : basis) },
  { title: 'AMOUNT (USD)', align: 'point', text: ({ amount }) => usdShort(amount) },
];

function billText(month: string, { provider, lines }: Bill): string {
  const columns = COLUMNS.filter(({ isOptional, text }) => isOptional !== true || lines.some((line) => text(line)));
  const books = [...new Set(lines.flatMap(({ book }) => book ?? []))].join(', ');
  const total = columns.map((_, i) => (i === 0 ? 'Total' : i === columns.length - 1 ? usdShort(amountOf(lines)) : ''));
  return [
    `${provider}, ${month}, ${books === '' ? 'without a price book' : books}`,
    '',
    ...renderTable(
      columns,
      lines.map((line) => columns.map(({ text }) => text(line))),
      [total],
    ),
    ...unitLines(lines),
  ].join('\n');
}

/** What a line is for, in the words of classes and paths: "internet out by nat-gateway". */
function whatText({ trafficClass, service, path, direction }: StatementLine): string {
  if (trafficClass === null) return `${path} processing ${direction}`;
  const what = [trafficClass, ...(service === null ? [] : [service]), direction].join(' ');
  return path === null ? what : `${what} by ${path}`;
}

function placeText({ region, peerRegion }: StatementLine): string {
  const from = region ?? '?';
  return peerRegion === null || peerRegion === region ? from : `${from} → ${peerRegion}`;
}

/** Of something there is never nothing. */
function quantityText({ quantity }: StatementLine): string {
  const text = shortDecimal(quantity, QUANTITY_PLACES);
  return text === '0' && quantity.numerator > 0n ? `<${LEAST_QUANTITY}` : text;
}

function tierText({ allowance, tierFrom, unit }: StatementLine): string {
  if (allowance !== null) return `free: ${allowance}`;
  return tierFrom === null ? '' : `from ${tierFrom.toLocaleString('en-US')} ${unit}`;
}

function unitText({ unit, unitBytes }: StatementLine): string {
  return unit === NEGOTIATED_UNIT ? `${countText(BigInt(unitBytes))} B` : unit;
}

/** Providers mean different things by a GB. */
function unitLines(lines: readonly StatementLine[]): string[] {
  const listed = lines.filter(({ unit }) => unit !== NEGOTIATED_UNIT);
  return [...new Set(listed.map(({ unit, unitBytes }) => `1 ${unit} is ${countText(BigInt(unitBytes))} bytes.`))];
}
