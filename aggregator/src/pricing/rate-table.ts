// Finds the rate of a book for one direction of a row. Answers are kept: there are far fewer pairs of regions than rows.
import type { PriceBasis, TrafficClass } from '../model/flow-row.ts';
import { type ByteRate, byteRate } from './money.ts';
import { marginalUsdPerUnit, type PriceBook, priceBookId, type RateEntry } from './price-book.ts';
import { expandSelector, selects } from './region-selector.ts';

/** A rate ready to be multiplied with bytes. */
export interface Rate {
  readonly perByte: ByteRate;
  readonly basis: Exclude<PriceBasis, 'none'>;
}

/** Rates of the two directions, as seen from the local side; undefined where the book has none. */
export interface RatePair {
  readonly out: Rate | undefined;
  readonly in: Rate | undefined;
}

export interface RateTable {
  /** "aws@2026-11-23". */
  readonly bookId: string;
  readonly provider: string;
  /** Marginal rates; `null` is a region that is not known, or a path with nothing on it. */
  lookup(trafficClass: TrafficClass, path: string | null, region: string | null, peerRegion: string | null): RatePair;
}

type Basis = Rate['basis'];

interface PreparedRate {
  readonly entry: RateEntry;
  readonly regions: readonly string[] | undefined;
  readonly peerRegions: readonly string[] | undefined;
  readonly rate: Rate;
}

export function createRateTable(book: PriceBook): RateTable {
  const groups = book.groups ?? {};
  const prepared: PreparedRate[] = book.rates.map((entry) => ({
    entry,
    regions: entry.regions && expandSelector(entry.regions, groups),
    peerRegions: entry.peerRegions && expandSelector(entry.peerRegions, groups),
    rate: prepareRate(entry, book),
  }));

  function find(
    direction: 'out' | 'in',
    trafficClass: TrafficClass,
    path: string | null,
    region: string | null,
    peerRegion: string | null,
  ): Rate | undefined {
    const treated = book.treatAs?.find((rule) => rule.class === trafficClass);
    const pricedClass = treated?.as ?? trafficClass;
    const found = prepared.find(
      ({ entry, regions, peerRegions }) =>
        entry.class === pricedClass &&
        (entry.path ?? null) === path &&
        entry.directions.includes(direction) &&
        isSelected(regions, region) &&
        isSelected(peerRegions, peerRegion),
    );
    if (found === undefined || treated === undefined) {
      return found?.rate;
    }
    return { perByte: found.rate.perByte, basis: worseBasis(found.rate.basis, treated.basis) };
  }

  const pairs = new Map<string, Map<string | null, Map<string | null, RatePair>>>();
  return {
    bookId: priceBookId(book),
    provider: book.provider,
    lookup(trafficClass, path, region, peerRegion) {
      const key = path === null ? trafficClass : `${trafficClass} ${path}`;
      const byRegion = getOrMake(pairs, key, () => new Map<string | null, Map<string | null, RatePair>>());
      const byPeer = getOrMake(byRegion, region, () => new Map<string | null, RatePair>());
      return getOrMake(byPeer, peerRegion, () => ({
        out: find('out', trafficClass, path, region, peerRegion),
        in: find('in', trafficClass, path, region, peerRegion),
      }));
    },
  };
}

function prepareRate(entry: RateEntry, book: PriceBook): Rate {
  const usdPerUnit = marginalUsdPerUnit(entry);
  // Nothing times an uncertain number of gigabytes is certainly nothing.
  const basis = usdPerUnit === 0n ? entry.basis : worseBasis(entry.basis, book.unit.basis);
  return { perByte: byteRate(usdPerUnit, book.unit.bytes), basis };
}

function isSelected(terms: readonly string[] | undefined, region: string | null): boolean {
  return terms === undefined || (region !== null && selects(terms, region));
}

const DOUBT: Readonly<Record<Basis, number>> = { exact: 0, estimated: 1, disputed: 2 };

/** The less certain of two bases. */
export function worseBasis(a: Basis, b: Basis): Basis {
  return DOUBT[a] >= DOUBT[b] ? a : b;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
