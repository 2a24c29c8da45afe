// History priced again: what is stored beside what other prices make of the same bytes, by group and in total. Figures only, exact; how
// they look is decided elsewhere.
import type { PriceBasis } from '../model/flow-row.ts';
import { type Fraction, roundHalfEven } from '../pricing/money.ts';
import { summedCosts } from '../pricing/summed-costs.ts';
import { type Grouping, parseGroupings } from '../query/grouping.ts';
import { createReport, type Report, type ReportOptions } from '../query/report.ts';
import type { QuerySession } from '../query/session.ts';
import { createMissingRates, type MissingRate } from './missing-rates.ts';
import { type Repricing, type StoredSum, sumStoredRows } from './stored-sums.ts';

/** Sums over rows, before and after; costs in 1e-12 USD. `newCost` = stored + difference + firstPriced − noLongerPriced. */
export interface ComparedMeasures {
  readonly txBytes: bigint;
  readonly rxBytes: bigint;
  /** Null when nothing in it had a price. */
  readonly storedCost: bigint | null;
  /** Null when nothing in it has a price now. */
  readonly newCost: bigint | null;
  /** New less stored, of what has a price both times. */
  readonly difference: bigint;
  /** The new cost of what had none. */
  readonly firstPriced: bigint;
  /** The stored cost of what has none now: it is no saving. */
  readonly noLongerPriced: bigint;
  /** Bytes of whose new cost something is not known: the transfer, or what lies on the path. */
  readonly unpricedBytes: bigint;
  /** Parts of the new cost that are not certain. Something was assumed. */
  readonly estimatedCost: bigint;
  /** Sources disagree. */
  readonly disputedCost: bigint;
  /** What is known of the cost of rows that lack a rate. */
  readonly incompleteCost: bigint;
}

export interface ComparedGroup extends ComparedMeasures {
  /** Value of each grouping; null where rows have none. */
  readonly keys: readonly (string | null)[];
}

export interface Comparison {
  readonly options: ReportOptions;
  readonly clusters: readonly string[];
  /** µs since the Unix epoch, of the rows that were read; null if there are none. */
  readonly firstWindowStartUs: bigint | null;
  readonly lastWindowEndUs: bigint | null;
  /** Ids of the price books that were used. */
  readonly books: readonly string[];
  /** Those that change most first. */
  readonly groups: readonly ComparedGroup[];
  readonly groupCount: bigint;
  /** Of all groups, shown or not. */
  readonly total: ComparedMeasures;
  /** Bytes that could not be priced again, by what is missing; together the `unpricedBytes` of the total. */
  readonly missing: readonly MissingRate[];
  /** What is lost or carried by tunnels: it has no price, stored or new. */
  readonly unpriceable: Pick<Report, 'losses' | 'encapsulation'>;
}

/** @param rows a statement that gives the rows of the period, with all columns but those that only `flows` has */
export async function compareStoredRows(
  session: QuerySession,
  options: ReportOptions,
  rows: string,
  repricing: Repricing,
): Promise<Comparison> {
  const by = options.by.filter((key) => !isDirection(key));
  const direction = options.by.findIndex(isDirection);
  const stored = await sumStoredRows(session, { by, filter: options.filter }, rows, repricing);
  const groups = new Map<string, Growing>();
  const total = new Growing([]);
  const missing = createMissingRates();
  for (const sum of stored.sums) {
    const costs = summedCosts(sum.decision, sum.counted, repricing.config.overlayHeaderBytes ?? 0);
    missing.add(sum, costs);
    for (const part of partsOf(sum, costs)) {
      if (direction >= 0 && part.name === 'processing' && !(part.stored || part.next)) continue;
      const keys = direction < 0 ? sum.keys : sum.keys.toSpliced(direction, 0, part.name);
      const name = JSON.stringify(keys);
      const group = groups.get(name) ?? new Growing(keys);
      groups.set(name, group);
      group.add(part);
      total.add(part);
    }
  }
  return {
    options,
    clusters: stored.clusters,
    firstWindowStartUs: stored.firstWindowStartUs,
    lastWindowEndUs: stored.lastWindowEndUs,
    books: [...new Set(stored.sums.flatMap(({ decision }) => decision.book ?? []))].toSorted(),
    groups: [...groups.values()].toSorted(byChange).slice(0, options.top),
    groupCount: BigInt(groups.size),
    total,
    missing: missing.list(),
    unpriceable: await createReport(session, { ...options, by: parseGroupings('class'), top: undefined }, rows),
  };
}

function isDirection({ name }: Grouping): boolean {
  return name === 'direction';
}

/** What is sent, what is received, or what lies on the path. */
interface Part {
  readonly name: 'tx' | 'rx' | 'processing';
  readonly txBytes: bigint;
  readonly rxBytes: bigint;
  readonly stored: bigint | null;
  readonly next: bigint | null;
  readonly unpricedBytes: bigint;
  readonly basis: PriceBasis;
}

function partsOf(
  { counted, txCost, rxCost, processingCost }: StoredSum,
  costs: ReturnType<typeof summedCosts>,
): Part[] {
  const { txBytes, rxBytes } = counted;
  const { basis } = costs;
  const rounded = (cost: Fraction | null) => (cost === null ? null : roundHalfEven(cost));
  const unpriced = (cost: Fraction | null, bytes: bigint) => (cost === null || costs.processing === null ? bytes : 0n);
  const none = { txBytes: 0n, rxBytes: 0n, unpricedBytes: 0n, basis };
  return [
    {
      ...none,
      name: 'tx',
      txBytes,
      stored: txCost,
      next: rounded(costs.tx),
      unpricedBytes: unpriced(costs.tx, txBytes),
    },
    {
      ...none,
      name: 'rx',
      rxBytes,
      stored: rxCost,
      next: rounded(costs.rx),
      unpricedBytes: unpriced(costs.rx, rxBytes),
    },
    { ...none, name: 'processing', stored: processingCost, next: rounded(costs.processing) },
  ];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

class Growing implements Mutable<ComparedGroup> {
  readonly keys: readonly (string | null)[];
  txBytes = 0n;
  rxBytes = 0n;
  storedCost: bigint | null = null;
  newCost: bigint | null = null;
  difference = 0n;
  firstPriced = 0n;
  noLongerPriced = 0n;
  unpricedBytes = 0n;
  estimatedCost = 0n;
  disputedCost = 0n;
  incompleteCost = 0n;

  constructor(keys: readonly (string | null)[]) {
    this.keys = keys;
  }

  add(part: Part): void {
    const { stored, next } = part;
    this.txBytes += part.txBytes;
    this.rxBytes += part.rxBytes;
    this.unpricedBytes += part.unpricedBytes;
    this.storedCost = sumOf(this.storedCost, part, stored);
    this.newCost = sumOf(this.newCost, part, next);
    if (stored !== null && next !== null) this.difference += next - stored;
    else if (next !== null) this.firstPriced += next;
    else if (stored !== null) this.noLongerPriced += stored;
    if (part.basis === 'estimated') this.estimatedCost += next ?? 0n;
    if (part.basis === 'disputed') this.disputedCost += next ?? 0n;
    if (part.basis === 'none') this.incompleteCost += next ?? 0n;
  }
}

/** A known zero counts where there are bytes: nothing on the path, or no bytes at all, is no price. */
function sumOf(sum: bigint | null, { txBytes, rxBytes }: Part, cost: bigint | null): bigint | null {
  const isPrice = cost !== null && (cost !== 0n || txBytes + rxBytes > 0n);
  return isPrice ? (sum ?? 0n) + cost : sum;
}

function byChange(a: ComparedGroup, b: ComparedGroup): number {
  const change = (group: ComparedGroup) =>
    magnitude(group.difference) + magnitude(group.firstPriced) + magnitude(group.noLongerPriced);
  return (
    descending(change(a), change(b)) ||
    descending(a.storedCost ?? -1n, b.storedCost ?? -1n) ||
    descending(a.txBytes + a.rxBytes, b.txBytes + b.rxBytes) ||
    (JSON.stringify(a.keys) < JSON.stringify(b.keys) ? -1 : 1)
  );
}

function descending(a: bigint, b: bigint): number {
  return a === b ? 0 : a > b ? -1 : 1;
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}
