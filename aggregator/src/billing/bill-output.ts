// A bill as text for people, as JSON, and as CSV. JSON and CSV are exact: integers of bytes, decimal text of quantities and money. Decides
// looks only; every figure comes from the bill.
import { type Cell, prettyJson } from '../query/cell.ts';
import { outsideCells, outsideLines } from '../query/report-output.ts';
import { headLines, type Line, microsOrNull, nothingText, section, shareText } from '../query/report-words.ts';
import { minuteText, percent, usdExact } from '../query/units.ts';
import type { UnwatchedNode } from '../query/unwatched-nodes.ts';
import type { Bill } from './bill.ts';
import { usdShort } from './decimal-text.ts';
import { missingRateCells, missingRateLines } from './missing-rates-output.ts';
import { amountOf, statementCells, statementCsv, statementText } from './statement-output.ts';

/** Rows are rounded one by one, sums once; 1e-12 USD. */
const ROUNDING = 1_000_000n;

/** For terminals. The last lines are what the bill does not have, or has without being sure. */
export function billText(bill: Bill, unwatched: readonly UnwatchedNode[]): string {
  const { month, stored, statement } = bill;
  if (stored.firstWindowStartUs === null) return [...openLines(bill), nothingText(stored.options)].join('\n');
  return [
    ...headLines(stored),
    ...openLines(bill),
    '',
    statementText([{ month: month.name, statement }]),
    ...billLines(bill, unwatched),
    '',
  ].join('\n');
}

/** Lines of text on the rows beside the bill, on what has no price, what is in no row, and what is not certain. */
export function billLines(bill: Bill, unwatched: readonly UnwatchedNode[]): string[] {
  const { stored, statement, missing, knownOfUnpriced } = bill;
  const bytes = stored.total.txBytes + stored.total.rxBytes;
  const withoutCost: Line[] = [
    ...missingRateLines(missing, bytes),
    ...costLine('known of it', knownOfUnpriced, statement.total, 'in the lines above, in the tier of rows'),
  ];
  const uncertain: Line[] = [
    ...costLine('estimated', amountOf(statement.lines, 'estimated'), statement.total),
    ...costLine('disputed', amountOf(statement.lines, 'disputed'), statement.total),
  ];
  const lines = [
    ...section('Bytes of the rows that lack a rate:', withoutCost),
    ...section('Not in the bill at all:', outsideLines(stored, bytes, unwatched)),
    ...section('In the bill, but not certain:', uncertain),
  ];
  return [
    ...section('The rows beside the bill:', rowLines(bill)),
    ...(lines.length === 0 ? ['Nothing is missing: no unknown, unpriced, lost or estimated traffic.'] : lines),
  ];
}

function openLines({ month, isOver, stored }: Bill): string[] {
  if (isOver) return [];
  const newest =
    stored.lastWindowEndUs === null ? '' : ` It has what flowed until ${minuteText(stored.lastWindowEndUs)}.`;
  return [`${month.name} is not over (UTC): tiers and free amounts may still change.${newest}`];
}

/** From what the rows carry to what the bill says. */
function rowLines({ rowsTotal, repricedTotal, statement }: Bill): Line[] {
  const byPrices = repricedTotal - rowsTotal;
  const isRepriced = !isRounding(byPrices);
  return [
    ['rows as stored', `${usdShort(rowsTotal)} USD`],
    ...(isRepriced ? [['by other prices', signed(byPrices)] as const] : []),
    ['by tiers, free amounts, rounding', signed(statement.total - (isRepriced ? repricedTotal : rowsTotal))],
    ['the bill', `${usdShort(statement.total)} USD`],
  ];
}

function isRounding(pico: bigint): boolean {
  return pico < ROUNDING && pico > -ROUNDING;
}

function signed(pico: bigint): string {
  return `${pico > 0n ? '+' : ''}${usdShort(pico)} USD`;
}

function costLine(label: string, cost: bigint, whole: bigint, what = ''): Line[] {
  return cost === 0n ? [] : [[label, `${usdShort(cost)} USD${shareText(cost, whole)}${what === '' ? '' : ` ${what}`}`]];
}

/** One JSON document. */
export function billJson(bill: Bill, prices: string | undefined, unwatched: readonly UnwatchedNode[]): string {
  const { month, stored, statement, rowsTotal, repricedTotal } = bill;
  const bytes = stored.total.txBytes + stored.total.rxBytes;
  const [statementOfMonth] = statementCells([{ month: month.name, statement }]);
  const shareOfTotal = (cost: bigint) => percent(cost, statement.total);
  const [estimated, disputed] = [amountOf(statement.lines, 'estimated'), amountOf(statement.lines, 'disputed')];
  const document: Cell = {
    version: 1,
    clusters: [...stored.clusters],
    since: new Date(month.sinceMs).toISOString(),
    until: new Date(month.untilMs).toISOString(),
    is_over: bill.isOver,
    first_window_start: microsOrNull(stored.firstWindowStartUs),
    last_window_end: microsOrNull(stored.lastWindowEndUs),
    prices: prices ?? null,
    ...(statementOfMonth as { readonly [key: string]: Cell }),
    rows: {
      tx_bytes: stored.total.txBytes,
      rx_bytes: stored.total.rxBytes,
      price_books: [...bill.storedBooks],
      total_usd: usdExact(rowsTotal),
      difference_usd: usdExact(statement.total - rowsTotal),
      by_prices_usd: usdExact(repricedTotal - rowsTotal),
      by_settling_usd: usdExact(statement.total - repricedTotal),
    },
    not_priced: missingRateCells(bill.missing, bytes),
    known_of_not_priced_usd: usdExact(bill.knownOfUnpriced),
    not_in_bill: outsideCells(stored, bytes, unwatched),
    not_certain: {
      estimated_usd: usdExact(estimated),
      disputed_usd: usdExact(disputed),
      estimated_percent: shareOfTotal(estimated),
      disputed_percent: shareOfTotal(disputed),
    },
  };
  return `${prettyJson(document)}\n`;
}

/** The lines of the bill. What is beside them is not among them: see `billLines`. */
export function billCsv({ month, statement }: Bill): string {
  return statementCsv([{ month: month.name, statement }]);
}

/** For whoever has the lines as CSV only. */
export function billRemarks(bill: Bill, unwatched: readonly UnwatchedNode[]): string[] {
  const { assumptions } = bill.statement;
  return [
    ...openLines(bill),
    ...(assumptions.length === 0 ? [] : ['Assumed:', ...assumptions.map((text) => `  ${text}`)]),
    ...billLines(bill, unwatched),
  ];
}
