// A comparison as text for people, as JSON, and as CSV. JSON and CSV are exact: integers of bytes, decimal text of money. Decides looks
// only; every figure comes from the comparison.
import { prettyJson } from '../query/cell.ts';
import { csvLine } from '../query/csv.ts';
import { outsideCells, outsideLines } from '../query/report-output.ts';
import {
  headLines,
  isoOrNull,
  keyCells,
  keyColumns,
  keyNames,
  type Line,
  microsOrNull,
  NO_PRICE,
  nothingText,
  section,
  shareText,
} from '../query/report-words.ts';
import { printable, renderTable, type TextColumn } from '../query/text-table.ts';
import { bytesText, countText, percent, percentText, usdExact, usdText } from '../query/units.ts';
import type { UnwatchedNode } from '../query/unwatched-nodes.ts';
import type { ComparedMeasures, Comparison } from './comparison.ts';
import { missingRateCells, missingRateLines } from './missing-rates-output.ts';

/** Rows are rounded one by one, sums once: less than this between two costs is shown as nothing. 1e-12 USD. */
const ROUNDING = 1_000_000n;
const ALIKE = '≈ $0';

interface CostColumn extends TextColumn {
  readonly text: (sums: ComparedMeasures) => string;
  /** Shown only where the total has something in it. */
  readonly isShown?: (total: ComparedMeasures) => boolean;
}

const COLUMNS: readonly CostColumn[] = [
  { title: 'SENT', align: 'right', text: ({ txBytes }) => bytesText(txBytes) },
  { title: 'RECEIVED', align: 'right', text: ({ rxBytes }) => bytesText(rxBytes) },
  { title: 'STORED (USD)', align: 'point', text: ({ storedCost }) => costText(storedCost) },
  { title: 'NEW (USD)', align: 'point', text: ({ newCost }) => costText(newCost) },
  { title: 'DIFFERENCE', align: 'point', text: differenceText },
  { title: 'CHANGE', align: 'right', text: changeText },
  {
    title: 'FIRST PRICED',
    align: 'point',
    text: ({ firstPriced }) => (firstPriced === 0n ? '' : usdText(firstPriced)),
    isShown: ({ firstPriced }) => firstPriced > 0n,
  },
  {
    title: 'NO PRICE NOW',
    align: 'point',
    text: ({ noLongerPriced }) => (noLongerPriced === 0n ? '' : usdText(noLongerPriced)),
    isShown: ({ noLongerPriced }) => noLongerPriced > 0n,
  },
  {
    title: 'UNPRICED',
    align: 'right',
    text: ({ unpricedBytes }) => (unpricedBytes === 0n ? '' : bytesText(unpricedBytes)),
    isShown: ({ unpricedBytes }) => unpricedBytes > 0n,
  },
  {
    title: 'NOT CERTAIN',
    align: 'right',
    text: (sums) => (uncertainCost(sums) === 0n ? '' : percentText(uncertainCost(sums), sums.newCost ?? 0n)),
    isShown: (total) => uncertainCost(total) > 0n,
  },
];

/** For terminals. The last lines are what the new cost does not have, or has without being sure. */
export function comparisonText(comparison: Comparison, prices: string, unwatched: readonly UnwatchedNode[]): string {
  const { groups, total, options } = comparison;
  if (comparison.firstWindowStartUs === null) return nothingText(options);
  const columns = COLUMNS.filter(({ isShown }) => isShown?.(total) ?? true);
  const cells = (keys: readonly (string | null)[], sums: ComparedMeasures) => [
    ...keyCells(options, keys),
    ...columns.map(({ text }) => text(sums)),
  ];
  const rows = groups.map((group) => cells(group.keys, group));
  const hiddenCount = comparison.groupCount - BigInt(groups.length);
  if (hiddenCount > 0n) rows.push(cells([`… ${countText(hiddenCount)} more`], hiddenMeasures(comparison)));
  return [
    ...headLines(comparison),
    `Priced again by ${printable(prices)}${comparison.books.length === 0 ? '' : `: ${comparison.books.join(', ')}`}`,
    '',
    ...renderTable([...keyColumns(options), ...columns], rows, [cells(['Total'], total)]),
    '',
    ...comparisonLines(comparison, unwatched),
    '',
  ].join('\n');
}

/** Lines of text on what stands on one side only, what has no price, and what is not certain. */
export function comparisonLines(
  { total, missing, unpriceable }: Comparison,
  unwatched: readonly UnwatchedNode[],
): string[] {
  const bytes = total.txBytes + total.rxBytes;
  const oneSided: Line[] = [
    ...costLine('first priced', total.firstPriced, total.newCost, 'new cost, of what is stored without'),
    ...costLine(
      'no price now',
      total.noLongerPriced,
      total.storedCost,
      'stored cost: no saving, nobody knows the new one',
    ),
  ];
  const uncertain: Line[] = [
    ...costLine('estimated', total.estimatedCost, total.newCost, ''),
    ...costLine('disputed', total.disputedCost, total.newCost, ''),
    ...costLine('incomplete', total.incompleteCost, total.newCost, 'known of what lacks a rate'),
  ];
  const lines = [
    ...section('Not in the difference:', oneSided),
    ...section('Bytes that could not be priced again:', missingRateLines(missing, bytes)),
    ...section('In no cost, stored or new:', outsideLines(unpriceable, bytes, unwatched)),
    ...section('In the new cost, but not certain:', uncertain),
  ];
  return lines.length === 0 ? ['Every byte has a stored price and a new one.'] : lines;
}

/** One JSON document. Bytes are integers, money is decimal text, null is unknown. */
export function comparisonJson(comparison: Comparison, prices: string, unwatched: readonly UnwatchedNode[]): string {
  const { options, total } = comparison;
  const names = keyNames(options);
  const bytes = total.txBytes + total.rxBytes;
  const document = {
    clusters: comparison.clusters,
    since: isoOrNull(options.sinceMs),
    until: isoOrNull(options.untilMs),
    filter: options.filter?.text ?? null,
    first_window_start: microsOrNull(comparison.firstWindowStartUs),
    last_window_end: microsOrNull(comparison.lastWindowEndUs),
    prices,
    price_books: comparison.books,
    group_count: comparison.groupCount,
    groups: comparison.groups.map((group) => ({
      ...Object.fromEntries(names.map((name, i) => [name, group.keys[i] ?? null])),
      ...measureCells(group),
    })),
    total: measureCells(total),
    not_priced_again: missingRateCells(comparison.missing, bytes),
    not_in_costs: outsideCells(comparison.unpriceable, bytes, unwatched),
  };
  return `${prettyJson(document)}\n`;
}

/** The groups as lines. What could not be priced is not among them: see `comparisonLines`. */
export function comparisonCsv({ options, groups }: Comparison): string {
  const lines = groups.map((group) =>
    csvLine([
      ...group.keys,
      ...Object.values(measureCells(group)).map((cell) => (cell === null ? null : String(cell))),
    ]),
  );
  return [csvLine([...keyNames(options), ...MEASURE_NAMES]), ...lines].join('');
}

const MEASURE_NAMES = [
  ...['tx_bytes', 'rx_bytes', 'stored_cost_usd', 'new_cost_usd', 'difference_usd', 'change_percent'],
  ...['first_priced_usd', 'no_longer_priced_usd', 'unpriced_bytes'],
  ...['estimated_cost_usd', 'disputed_cost_usd', 'incomplete_cost_usd'],
] as const;

function measureCells(sums: ComparedMeasures) {
  return {
    tx_bytes: sums.txBytes,
    rx_bytes: sums.rxBytes,
    stored_cost_usd: sums.storedCost === null ? null : usdExact(sums.storedCost),
    new_cost_usd: sums.newCost === null ? null : usdExact(sums.newCost),
    difference_usd: isComparable(sums) ? usdExact(sums.difference) : null,
    change_percent: isComparable(sums) ? percent(sums.difference, comparedCost(sums)) : null,
    first_priced_usd: usdExact(sums.firstPriced),
    no_longer_priced_usd: usdExact(sums.noLongerPriced),
    unpriced_bytes: sums.unpricedBytes,
    estimated_cost_usd: usdExact(sums.estimatedCost),
    disputed_cost_usd: usdExact(sums.disputedCost),
    incomplete_cost_usd: usdExact(sums.incompleteCost),
  };
}

function hiddenMeasures({ groups, total }: Comparison): ComparedMeasures {
  const rest = (of: (sums: ComparedMeasures) => bigint | null) =>
    groups.reduce((sum, group) => sum - (of(group) ?? 0n), of(total) ?? 0n);
  const costOrNull = (of: (sums: ComparedMeasures) => bigint | null) => (of(total) === null ? null : rest(of));
  return {
    txBytes: rest(({ txBytes }) => txBytes),
    rxBytes: rest(({ rxBytes }) => rxBytes),
    storedCost: costOrNull(({ storedCost }) => storedCost),
    newCost: costOrNull(({ newCost }) => newCost),
    difference: rest(({ difference }) => difference),
    firstPriced: rest(({ firstPriced }) => firstPriced),
    noLongerPriced: rest(({ noLongerPriced }) => noLongerPriced),
    unpricedBytes: rest(({ unpricedBytes }) => unpricedBytes),
    estimatedCost: rest(({ estimatedCost }) => estimatedCost),
    disputedCost: rest(({ disputedCost }) => disputedCost),
    incompleteCost: rest(({ incompleteCost }) => incompleteCost),
  };
}

function uncertainCost({ estimatedCost, disputedCost, incompleteCost }: ComparedMeasures): bigint {
  return estimatedCost + disputedCost + incompleteCost;
}

/** Whether something in it has a price both times. */
function isComparable({ storedCost, newCost }: ComparedMeasures): boolean {
  return storedCost !== null && newCost !== null;
}

/** The stored cost of what has a new one, too. */
function comparedCost({ storedCost, noLongerPriced }: ComparedMeasures): bigint {
  return (storedCost ?? 0n) - noLongerPriced;
}

function costText(cost: bigint | null): string {
  return cost === null ? NO_PRICE : usdText(cost);
}

function isRounding({ difference }: ComparedMeasures): boolean {
  return difference !== 0n && difference < ROUNDING && difference > -ROUNDING;
}

function differenceText(sums: ComparedMeasures): string {
  if (!isComparable(sums)) return NO_PRICE;
  if (isRounding(sums)) return ALIKE;
  return `${sums.difference > 0n ? '+' : ''}${usdText(sums.difference)}`;
}

function changeText(sums: ComparedMeasures): string {
  if (!isComparable(sums) || sums.difference === 0n || isRounding(sums)) return '';
  return `${sums.difference > 0n ? '+' : ''}${percentText(sums.difference, comparedCost(sums))}`;
}

function costLine(label: string, cost: bigint, whole: bigint | null, what: string): Line[] {
  if (cost === 0n) return [];
  return [[label, `${usdText(cost)}${shareText(cost, whole ?? 0n)}${what === '' ? '' : ` ${what}`}`]];
}
