// A rate with the terms of the configuration on it: the tier that rows are priced in, the discount, or a negotiated rate in its place.
import type { AllowanceEntry, AmountEntry, PriceBook } from './book/format.ts';
import { compileSelector, type RegionSelector } from './book/region-selector.ts';
import type { Basis, Direction, PricedClass } from './book/words.ts';
import type { Discount, MonthlyAmount, PricingConfig, PrivateRate } from './config/format.ts';
import { type Fraction, fraction, parseUsd } from './money.ts';
import type { FoundRate, RateKey } from './rates.ts';

/** What is priced: transfer of a class, or processing on the path of the key. */
export interface Charge {
  readonly kind: 'transfer' | 'processing';
  readonly direction: Direction;
  readonly key: RateKey;
  /** There is a rate for each direction, but of a sum of both nobody knows the shares. */
  readonly lacksDirection?: true;
}

/** One term of the sum that a cost is. */
export interface PricedTerm {
  readonly charge: Charge;
  /** Price of a unit, before the discount. */
  readonly usdPerUnit: string;
  /** The unit as the book prints it; "unit" for a negotiated rate. */
  readonly unit: string;
  readonly unitBytes: number;
  /** Off the price of a unit; "0" where nothing is. */
  readonly percentOff: string;
  /** Picodollars per byte, discount included. */
  readonly perByte: Fraction;
  readonly basis: Basis;
  readonly doubts: readonly string[];
  /** The book's entry; undefined for a negotiated rate. */
  readonly entry: AmountEntry | undefined;
  /** First unit of the month of the tier; undefined where there are no tiers. */
  readonly tierFrom: number | undefined;
  /** What is free of it in a month; a negotiated rate is taken as it is. */
  readonly allowances: readonly AllowanceEntry[];
}

export interface Terms {
  /** What is negotiated for this; undefined: nothing, so that the book's rate counts. */
  negotiated(charge: Charge): PricedTerm | undefined;
  /** The term that the book's rate makes, with what is free of it. */
  listed(charge: Charge, rate: FoundRate, allowances: readonly AllowanceEntry[]): PricedTerm;
}

const PERCENT = 100_000_000n;

/** What is left of a price after `percent` off. */
export function remaining(percent: string): Fraction {
  const [whole = '0', places = ''] = percent.split('.');
  return fraction(PERCENT - BigInt(whole) * 1_000_000n - BigInt(places.padEnd(6, '0')), PERCENT);
}

/** @param dayMs start of the day for which terms are wanted, ms since the Unix epoch; they must not change within it */
export function createTerms(
  book: PriceBook | undefined,
  provider: string,
  config: PricingConfig,
  dayMs: number,
): Terms {
  const day = new Date(dayMs).toISOString().slice(0, 10);
  const isCurrent = ({ from, until }: { from?: string | undefined; until?: string | undefined }) =>
    (from === undefined || from <= day) && (until === undefined || day < until);
  const isSelected = (selector: RegionSelector | undefined, region: string | null) =>
    selector === undefined || compileSelector(selector, book?.groups ?? {})(region);
  const negotiatedRates = (config.privateRates ?? []).filter((rate) => rate.provider === provider && isCurrent(rate));
  const discounts = (config.discounts ?? [])
    .filter((entry) => (entry.provider ?? provider) === provider && isCurrent(entry))
    .toSorted((a, b) => specificity(b) - specificity(a));
  const amounts = (config.monthlyAmounts ?? []).filter((entry) => entry.provider === provider);

  function discount({ kind, key }: Charge): Discount | undefined {
    return discounts.find(
      ({ classes, regions }) =>
        (classes === undefined || (kind === 'transfer' && classes.includes(key.trafficClass))) &&
        isSelected(regions, key.region),
    );
  }

  function isNegotiated(rate: PrivateRate, { kind, direction, key }: Charge): boolean {
    return (
      ('processing' in rate ? kind === 'processing' : kind === 'transfer' && rate.class === key.trafficClass) &&
      rate.directions.includes(direction) &&
      (rate.relations === undefined || rate.relations.includes(key.relation)) &&
      (rate.services === undefined || (key.service !== null && rate.services.includes(key.service))) &&
      (rate.paths === undefined || (key.path !== null && rate.paths.includes(key.path))) &&
      isSelected(rate.regions, key.region) &&
      isSelected(rate.peerRegions, key.peerRegion)
    );
  }

  return {
    negotiated(charge) {
      const rate = negotiatedRates.find((candidate) => isNegotiated(candidate, charge));
      if (rate === undefined) return undefined;
      return {
        charge,
        usdPerUnit: rate.usdPerUnit,
        unit: 'unit',
        unitBytes: rate.unitBytes,
        percentOff: '0',
        perByte: fraction(parseUsd(rate.usdPerUnit), BigInt(rate.unitBytes)),
        basis: 'exact',
        doubts: [],
        entry: undefined,
        tierFrom: undefined,
        allowances: [],
      };
    },
    listed(charge, { entry, unitBytes, basis, doubts }, allowances) {
      const tier = tierOf(entry, amounts.find((amount) => isAmountOf(amount, charge, isSelected))?.units);
      const percentOff = discount(charge)?.percent ?? '0';
      const left = remaining(percentOff);
      return {
        charge,
        usdPerUnit: tier.usdPerUnit,
        unit: entry.unit,
        unitBytes,
        percentOff,
        perByte: fraction(parseUsd(tier.usdPerUnit) * left.numerator, BigInt(unitBytes) * left.denominator),
        basis,
        doubts,
        entry,
        tierFrom: tier.from,
        allowances,
      };
    },
  };
}

/** What says most counts: classes, then regions, then the provider. */
function specificity({ classes, regions, provider }: Discount): number {
  return (classes ? 4 : 0) + (regions ? 2 : 0) + (provider ? 1 : 0);
}

function isAmountOf(
  amount: MonthlyAmount,
  { kind, key }: Charge,
  isSelected: (selector: RegionSelector | undefined, region: string | null) => boolean,
): boolean {
  const isKind =
    kind === 'processing'
      ? amount.paths !== undefined && key.path !== null && amount.paths.includes(key.path)
      : amount.paths === undefined && (amount.class === undefined || amount.class === key.trafficClass);
  return isKind && isSelected(amount.regions, key.region);
}

/** The tier of a monthly amount; without one, the first whose rate is not zero. */
function tierOf(entry: AmountEntry, units: number | undefined): { usdPerUnit: string; from: number | undefined } {
  if (entry.tiers === undefined) return { usdPerUnit: entry.usdPerUnit ?? '0', from: undefined };
  const tier =
    units === undefined
      ? (entry.tiers.find(({ usdPerUnit }) => parseUsd(usdPerUnit) > 0n) ?? entry.tiers[0]!)
      : entry.tiers.findLast(({ from }) => from <= units)!;
  return tier;
}

/** The key of a class's rate with other places than the row's. */
export function keyOf(trafficClass: PricedClass, fields: Partial<RateKey>): RateKey {
  return { trafficClass, relation: 'unknown', path: null, service: null, region: null, peerRegion: null, ...fields };
}
