// A month's bill from the rows of a table: every kind of traffic, day by day, through the code that settles the calculator's months; and
// beside it what the rows themselves carry, and what no line can have. Figures only, exact; how they look is decided elsewhere.
import { addFractions, type Fraction, multiplyFractions, roundHalfEven, ZERO } from '../pricing/money.ts';
import { type Statement, type StatementLine, settle, type Usage } from '../pricing/settle.ts';
import { type SummedCosts, summedCosts } from '../pricing/summed-costs.ts';
import { usageOf } from '../pricing/usage.ts';
import { parseGroupings } from '../query/grouping.ts';
import { createReport, type Report } from '../query/report.ts';
import type { QuerySession } from '../query/session.ts';
import type { BillMonth } from './bill-month.ts';
import { createMissingRates, type MissingRate } from './missing-rates.ts';
import { type Repricing, sumStoredRows } from './stored-sums.ts';

export interface Bill {
  readonly month: BillMonth;
  /** Whether no more traffic of the month can flow. */
  readonly isOver: boolean;
  /** Lines by provider, then as a bill sorts them; what was assumed, also of the rows. */
  readonly statement: Statement;
  /** Ids of the price books that rows were priced with when they were stored. */
  readonly storedBooks: readonly string[];
  /** 1e-12 USD: the costs that the rows carry. */
  readonly rowsTotal: bigint;
  /** 1e-12 USD: what rows of the same bytes would carry by the prices of the bill; rounded once. */
  readonly repricedTotal: bigint;
  /** 1e-12 USD: what the lines have of bytes that lack another rate, in the tier of rows. */
  readonly knownOfUnpriced: bigint;
  /** Bytes whose cost by these prices is not known, by what is missing; each byte once, sent or received. */
  readonly missing: readonly MissingRate[];
  /** What is stored: the rows' total, what of it is certain, and what is lost or carried by tunnels. */
  readonly stored: Report;
}

/**
 * Tiers and free amounts are used up in the order of days; of one day in the order of clusters and places.
 * @param rows a statement that gives the rows of the month, with all columns but those that only `flows` has
 */
export async function createBill(
  session: QuerySession,
  month: BillMonth,
  rows: string,
  repricing: Repricing,
  nowMs: number,
): Promise<Bill> {
  const { sums } = await sumStoredRows(session, { by: parseGroupings('day') }, rows, repricing);
  const headerBytes = repricing.config.overlayHeaderBytes ?? 0;
  const usage: Usage[] = [];
  const missing = createMissingRates();
  let [repriced, knownOfUnpriced] = [ZERO, ZERO];
  for (const sum of sums) {
    const { provider, decision, counted } = sum;
    const costs = summedCosts(decision, counted, headerBytes);
    const own = usageOf(provider, decision, counted, headerBytes);
    usage.push(...own);
    missing.add(sum, costs);
    repriced = addFractions(repriced, knownCost(costs));
    if (costs.basis === 'none') knownOfUnpriced = own.map(marginalCost).reduce(addFractions, knownOfUnpriced);
  }
  const statement = settle(usage);
  const options = { ...month, by: parseGroupings('price-book'), top: undefined };
  const stored = await createReport(session, options, rows);
  return {
    month,
    isOver: nowMs >= month.untilMs,
    statement: {
      ...statement,
      lines: statement.lines.toSorted(asBillsSort),
      assumptions: [...statement.assumptions, ...assumptionsOf(statement, stored.clusters)],
    },
    storedBooks: stored.groups.flatMap(({ keys }) => keys[0] ?? []).toSorted(),
    rowsTotal: stored.total.cost ?? 0n,
    repricedTotal: roundHalfEven(repriced),
    knownOfUnpriced: roundHalfEven(knownOfUnpriced),
    missing: missing.list(),
    stored,
  };
}

function knownCost({ tx, rx, processing }: SummedCosts): Fraction {
  return [tx, rx, processing].reduce<Fraction>((sum, cost) => (cost === null ? sum : addFractions(sum, cost)), ZERO);
}

function marginalCost({ term, bytes }: Usage): Fraction {
  return multiplyFractions({ numerator: bytes, denominator: 1n }, term.perByte);
}

/** Of a rate that falls with the amount, a table of some clusters cannot know what else the payer sends. */
function assumptionsOf({ lines }: Statement, clusters: readonly string[]): string[] {
  const isTiered = lines.some(({ tierFrom, allowance }) => tierFrom !== null || allowance !== null);
  if (!isTiered) return [];
  const payer = clusters.length > 1 ? `the clusters ${clusters.join(', ')} are on one bill, and` : '';
  return [`${payer} nothing else of the payer counts in these tiers and free amounts`.trim()];
}

/** Transfer before what processes it, then by places, what it is, and its pieces: what is free, then tier by tier. */
function asBillsSort(a: StatementLine, b: StatementLine): number {
  const [keysA, keysB] = [sortKeys(a), sortKeys(b)];
  const at = keysA.findIndex((key, i) => key !== keysB[i]);
  return at < 0 ? 0 : keysA[at]! < keysB[at]! ? -1 : 1;
}

function sortKeys(line: StatementLine): (string | number)[] {
  return [
    ...[line.provider, line.kind === 'transfer' ? 0 : 1, line.region ?? '', line.meter ?? '', line.trafficClass ?? ''],
    ...[line.path ?? '', line.service ?? '', line.direction === 'out' ? 0 : 1, line.peerRegion ?? '', line.book ?? ''],
    ...[line.allowance === null ? 1 : 0, line.allowance ?? '', line.tierFrom ?? 0, Number(line.usdPerUnit)],
    Number(line.percentOff),
  ];
}
