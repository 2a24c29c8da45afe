// A month's statement: tiers and free amounts settled over everything that a provider bills together. Bytes are taken in the order in
// which they flowed, so that the first of a month are the free ones and fill the lowest tiers. Exact; pure.
import type { AllowanceEntry, AmountEntry, RateEntry } from './book/format.ts';
import { type Basis, type Direction, POOL_BY_REGION, type PricedClass, worseBasis } from './book/words.ts';
import { addFractions, type Fraction, fraction, multiplyFractions, parseUsd, roundHalfEven, ZERO } from './money.ts';
import { type PricedTerm, remaining } from './terms.ts';

/** Bytes of one term of one kind of traffic. */
export interface Usage {
  readonly term: PricedTerm;
  readonly provider: string;
  /** Null where a negotiated rate needs no book. */
  readonly bookId: string | null;
  readonly bytes: bigint;
  /** Counts for tiers and free amounts only: it is on a bill already, or comes from elsewhere. */
  readonly isPrior?: boolean;
}

/** A line as a bill has it. */
export interface StatementLine {
  readonly provider: string;
  readonly book: string | null;
  readonly kind: 'transfer' | 'processing';
  /** Null of processing: a gateway is billed for bytes, wherever they go; so are service and region of the peer. */
  readonly trafficClass: PricedClass | null;
  /** What processes, or what the rate of a transfer is for; null where the rate is the same whatever lies between. */
  readonly path: string | null;
  /** Null where the rate is the same for any service. */
  readonly service: string | null;
  readonly direction: Direction;
  readonly region: string | null;
  readonly peerRegion: string | null;
  /** What the provider calls the line, where the book knows it. */
  readonly meter: string | null;
  readonly unit: string;
  readonly unitBytes: number;
  /** First unit of the tier; null where the rate has no tiers. */
  readonly tierFrom: number | null;
  /** Name of the allowance that makes it free. */
  readonly allowance: string | null;
  /** Price of a unit on the list; "0" of what is free. */
  readonly usdPerUnit: string;
  readonly percentOff: string;
  readonly bytes: bigint;
  /** Units, exact. */
  readonly quantity: Fraction;
  /** 1e-12 USD, rounded half-even once. */
  readonly amount: bigint;
  readonly basis: Basis;
}

export interface Statement {
  /** In the order in which they came up. */
  readonly lines: readonly StatementLine[];
  /** 1e-12 USD: the sum of the lines. */
  readonly total: bigint;
  /** What had to be assumed, for people. */
  readonly assumptions: readonly string[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type GrowingLine = Mutable<StatementLine> & { exact: Fraction };

/** Settles one month. `usage` is in the order of time. */
export function settle(usage: readonly Usage[]): Statement {
  const month = new Month();
  for (const item of usage) month.take(item);
  return month.statement();
}

class Month {
  readonly #lines = new Map<string, GrowingLine>();
  /** Units that each pool has counted so far. */
  readonly #counted = new Map<string, Fraction>();
  /** What is left of each allowance, in units; and the pools that took of it. */
  readonly #left = new Map<string, { amount: Fraction; readonly pools: Set<string> }>();

  take(item: Usage): void {
    if (item.bytes === 0n) return;
    let units = fraction(item.bytes, BigInt(item.term.unitBytes));
    for (const allowance of item.term.allowances) {
      const free = smaller(units, this.#leftOf(item, allowance));
      if (free.numerator === 0n) continue;
      this.#spend(item, allowance, free);
      this.#add(item, free, { allowance: allowance.name, usdPerUnit: '0', tierFrom: null, basis: allowance.basis });
      if (allowance.counts === 'inside-tiers') this.#count(poolOf(item), free);
      units = subtract(units, free);
    }
    this.#takeTiers(item, units);
  }

  statement(): Statement {
    const lines = [...this.#lines.values()].map(
      ({ exact, ...line }): StatementLine => ({
        ...line,
        amount: roundHalfEven(exact),
      }),
    );
    const shared = [...this.#left].filter(([, { pools }]) => pools.size > 1);
    return {
      lines,
      total: lines.reduce((sum, line) => sum + line.amount, 0n),
      assumptions: shared.map(
        ([name, { pools }]) =>
          `the free amount "${name.split('\n')[1]}" of ${name.split('\n')[0]} was used up in the order of time by ${[...pools].join(', ')}; the provider does not say whose bytes are free`,
      ),
    };
  }

  #takeTiers(item: Usage, units: Fraction): void {
    const { term } = item;
    const tiers = term.entry?.tiers;
    if (tiers === undefined) {
      this.#add(item, units, { allowance: null, usdPerUnit: term.usdPerUnit, tierFrom: null, basis: term.basis });
      return;
    }
    const pool = poolOf(item);
    let rest = units;
    while (rest.numerator > 0n) {
      const position = this.#counted.get(pool) ?? ZERO;
      const index = tiers.findLastIndex(({ from }) => !isLess(position, fractionOf(from)));
      const next = tiers[index + 1];
      const piece = next === undefined ? rest : smaller(rest, subtract(fractionOf(next.from), position));
      const { from, usdPerUnit } = tiers[index]!;
      this.#add(item, piece, { allowance: null, usdPerUnit, tierFrom: from, basis: term.basis });
      this.#count(pool, piece);
      rest = subtract(rest, piece);
    }
  }

  #count(pool: string, units: Fraction): void {
    this.#counted.set(pool, addFractions(this.#counted.get(pool) ?? ZERO, units));
  }

  #leftOf(item: Usage, allowance: AllowanceEntry): Fraction {
    return this.#left.get(allowanceKey(item, allowance))?.amount ?? fractionOf(allowance.amount);
  }

  #spend(item: Usage, allowance: AllowanceEntry, units: Fraction): void {
    const key = allowanceKey(item, allowance);
    const known = this.#left.get(key) ?? { amount: fractionOf(allowance.amount), pools: new Set<string>() };
    known.amount = subtract(known.amount, units);
    if (item.isPrior !== true) known.pools.add(item.term.charge.key.region ?? 'an unknown region');
    this.#left.set(key, known);
  }

  #add(
    { term, provider, bookId, isPrior }: Usage,
    units: Fraction,
    piece: Pick<StatementLine, 'allowance' | 'usdPerUnit' | 'tierFrom' | 'basis'>,
  ): void {
    if (isPrior === true || units.numerator === 0n) return;
    const { kind, direction, key } = term.charge;
    const isTransfer = kind === 'transfer';
    const selection = selectionOf(term.entry);
    const head = {
      provider,
      book: bookId,
      kind,
      trafficClass: isTransfer ? key.trafficClass : null,
      path: isTransfer && selection.paths === undefined ? null : key.path,
      service: isTransfer && selection.services !== undefined ? key.service : null,
      direction,
      region: key.region,
      peerRegion: isTransfer ? key.peerRegion : null,
      meter: term.entry?.meter ?? null,
      unit: term.unit,
      unitBytes: term.unitBytes,
      tierFrom: piece.tierFrom,
      allowance: piece.allowance,
      usdPerUnit: piece.usdPerUnit,
      percentOff: piece.allowance === null ? term.percentOff : '0',
    };
    const name = JSON.stringify(head);
    const line = this.#lines.get(name) ?? {
      ...head,
      bytes: 0n,
      quantity: ZERO,
      amount: 0n,
      basis: piece.basis,
      exact: ZERO,
    };
    const price = multiplyFractions(fraction(parseUsd(piece.usdPerUnit), 1n), remaining(head.percentOff));
    line.quantity = addFractions(line.quantity, units);
    line.bytes = (line.quantity.numerator * BigInt(term.unitBytes)) / line.quantity.denominator;
    line.exact = addFractions(line.exact, multiplyFractions(units, price));
    line.basis = worseBasis(line.basis, piece.basis);
    this.#lines.set(name, line);
  }
}

/** What the tiers of a term are counted over. Entries of one named pool are counted together; others each by itself, by region. */
function poolOf({ provider, term: { charge, entry } }: Usage): string {
  const pool = entry?.pool ?? POOL_BY_REGION;
  return pool === POOL_BY_REGION
    ? `${provider} ${charge.kind} ${whatItPrices(entry)} in ${charge.key.region}`
    : `${provider} ${pool}`;
}

/** The same for an entry and the one that takes its place in a newer book: a month goes on over both. */
function whatItPrices(entry: AmountEntry | undefined): string {
  const { class: ofClass, paths, services, relations, directions, when, peerRegions } = selectionOf(entry);
  return JSON.stringify([ofClass, paths, services, relations, directions, when, peerRegions]);
}

/** By what a rate was found; processing has fewer of the fields. */
function selectionOf(entry: AmountEntry | undefined): Partial<RateEntry> {
  return entry ?? {};
}

function allowanceKey({ provider }: Usage, { name }: AllowanceEntry): string {
  return `${provider}\n${name}`;
}

function fractionOf(amount: number): Fraction {
  const [whole = '0', places = ''] = String(amount).split('.');
  return fraction(BigInt(whole + places), 10n ** BigInt(places.length));
}

function subtract(a: Fraction, b: Fraction): Fraction {
  return addFractions(a, { numerator: -b.numerator, denominator: b.denominator });
}

function isLess(a: Fraction, b: Fraction): boolean {
  return a.numerator * b.denominator < b.numerator * a.denominator;
}

function smaller(a: Fraction, b: Fraction): Fraction {
  return isLess(b, a) ? b : a;
}
