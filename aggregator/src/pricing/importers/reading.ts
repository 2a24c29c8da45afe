// What an importer understood of the documents of a price API, and what it did not: the one form that all providers' documents are
// brought to before they meet a price book. Knows no provider and no book.
import type { PriceBook } from '../book/format.ts';
import type { Direction, PricedClass, Relation } from '../book/words.ts';

/** A document of a price API, as it was fetched or saved. */
export interface PriceDocument {
  /** Where it came from, for sources and errors: an address without credentials, or the name of a file. */
  readonly name: string;
  /** Whether `name` is an address that others can read, too. */
  readonly isAddress: boolean;
  /** Day on which it was fetched or saved, for documents that do not say their own: "2026-11-23". */
  readonly day: string;
  readonly text: string;
}

export interface ReadTier {
  readonly from: number;
  readonly usdPerUnit: string;
}

/** Which traffic a rate is for, apart from regions. */
export interface ReadKey {
  /** Absent: the charge of a middlebox, whatever the class. */
  readonly class?: PricedClass;
  readonly path?: string;
  readonly relations?: readonly Relation[];
  readonly when?: Readonly<Record<string, string>>;
}

/** One rate of one region, or of one pair of regions. */
export interface ReadRate extends ReadKey {
  readonly directions: readonly Direction[];
  /** The document does not say which directions are charged: a base book's word counts more than `directions`. */
  readonly areDirectionsAssumed?: boolean;
  /** Region of the side that pays; null: every region of the book. */
  readonly region: string | null;
  /** Region of the other side; absent: any. */
  readonly peerRegion?: string;
  readonly unit: string;
  /** Ascending, the first from 0. */
  readonly tiers: readonly ReadTier[];
  /** Rates with the same text count their tiers together, unless a base book says how. */
  readonly pool?: string;
  readonly meter?: string;
  /** Key of `sources`. */
  readonly source: string;
}

/** Units that are free each month. */
export interface ReadAllowance {
  readonly name: string;
  readonly amount: number;
  readonly unit: string;
  readonly class: PricedClass;
  readonly when?: Readonly<Record<string, string>>;
  readonly regions?: readonly string[];
  readonly counts: 'before-tiers' | 'inside-tiers';
  readonly source: string;
}

/** Rows that no rate was made of, for one reason. */
export interface IgnoredRows {
  readonly reason: string;
  readonly count: number;
  /** The first few different ones. */
  readonly examples: readonly string[];
}

/** Everything that documents say. */
export interface Reading {
  readonly provider: string;
  /** Day of the newest document. */
  readonly date: string;
  readonly rowCount: number;
  readonly rates: readonly ReadRate[];
  readonly allowances: readonly ReadAllowance[];
  readonly ignored: readonly IgnoredRows[];
  readonly sources: PriceBook['sources'];
  /** Switches that `when` speaks of, for books that do not have them. */
  readonly switches: NonNullable<PriceBook['switches']>;
}

const MOST_EXAMPLES = 5;

/** Counts rows by the reason why they were not taken. */
export class IgnoredTally {
  readonly #byReason = new Map<string, { count: number; examples: Set<string> }>();

  add(reason: string, example: string, count = 1): void {
    let entry = this.#byReason.get(reason);
    if (entry === undefined) {
      entry = { count: 0, examples: new Set() };
      this.#byReason.set(reason, entry);
    }
    entry.count += count;
    if (entry.examples.size < MOST_EXAMPLES) entry.examples.add(example);
  }

  /** The most frequent reason first. */
  list(): IgnoredRows[] {
    return [...this.#byReason]
      .map(([reason, { count, examples }]) => ({ reason, count, examples: [...examples] }))
      .toSorted((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1));
  }
}

/** A tier as a document has it, perhaps with its end. */
export interface RawTier extends ReadTier {
  readonly to?: number;
}

/** Tiers in order without repetitions, equal neighbours made one; or what is wrong with them. */
export function orderedTiers(raw: readonly RawTier[]): readonly ReadTier[] | string {
  const sorted = raw.toSorted((a, b) => a.from - b.from);
  if (sorted[0]?.from !== 0) return 'tiers do not begin at 0';
  const tiers: ReadTier[] = [];
  let end: number | undefined;
  let before: RawTier | undefined;
  for (const tier of sorted) {
    if (before?.from === tier.from) {
      if (before.usdPerUnit !== tier.usdPerUnit) return 'two prices for one tier';
      continue;
    }
    if (end !== undefined && end !== tier.from) return 'tiers have a gap or overlap';
    if (tiers.at(-1)?.usdPerUnit !== tier.usdPerUnit) {
      tiers.push({ from: tier.from, usdPerUnit: tier.usdPerUnit });
    }
    end = tier.to;
    before = tier;
  }
  if (end !== undefined && end !== Number.POSITIVE_INFINITY) return 'tiers end';
  return tiers;
}

/** A free first tier, apart: the rest begins at 0 with the first price. `freeUnits` 0: there is none. */
export function withoutFreeTier(tiers: readonly ReadTier[]): { tiers: readonly ReadTier[]; freeUnits: number } {
  const [first, second, ...rest] = tiers;
  if (first?.usdPerUnit !== '0' || second === undefined) return { tiers, freeUnits: 0 };
  return { tiers: [{ from: 0, usdPerUnit: second.usdPerUnit }, ...rest], freeUnits: second.from };
}
