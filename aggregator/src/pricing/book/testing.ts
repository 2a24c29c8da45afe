// For tests of price books: which entries price some traffic, found in the plainest way, by going through all of them. Knows
// nothing about amounts.
import type { PriceBook, ProcessingEntry, RateEntry } from './format.ts';
import { compileSelector, type RegionSelector } from './region-selector.ts';
import { DIRECTIONS, type Direction, type PricedClass, type Relation } from './words.ts';

/** Traffic as a book sees it; what is absent is null or not set. */
export interface Traffic {
  readonly class: PricedClass;
  readonly relation?: Relation;
  readonly service?: string;
  readonly path?: string;
  readonly region?: string;
  readonly peerRegion?: string;
  /** Values of switches; the others have their defaults. */
  readonly switches?: Readonly<Record<string, string>>;
}

/**
 * All rates for one direction, of the most specific kind that has any: those that name the path before those that do not, then
 * those that name the service. More than one is a fault of the book.
 */
export function ratesFor(book: PriceBook, traffic: Traffic, direction: Direction): RateEntry[] {
  const fitting = book.rates.filter(
    (rate) =>
      rate.class === traffic.class &&
      rate.directions.includes(direction) &&
      (rate.relations === undefined || (traffic.relation !== undefined && rate.relations.includes(traffic.relation))) &&
      names(rate.paths, traffic.path) !== false &&
      names(rate.services, traffic.service) !== false &&
      holds(book, rate.when, traffic) &&
      isIn(book, rate.regions, traffic.region) &&
      isIn(book, rate.peerRegions, traffic.peerRegion),
  );
  const rank = (rate: RateEntry) =>
    (names(rate.paths, traffic.path) ? 2 : 0) + (names(rate.services, traffic.service) ? 1 : 0);
  const best = Math.max(...fitting.map(rank));
  return fitting.filter((rate) => rank(rate) === best);
}

/** What a middlebox charges for one direction. */
export function processingFor(
  book: PriceBook,
  traffic: Pick<Traffic, 'path' | 'region' | 'switches'>,
  direction: Direction,
): ProcessingEntry[] {
  return (book.processing ?? []).filter(
    (entry) =>
      names(entry.paths, traffic.path) &&
      entry.directions.includes(direction) &&
      holds(book, entry.when, traffic) &&
      isIn(book, entry.regions, traffic.region),
  );
}

/** Rates and basis of both directions, such as "0.01 exact, 0 exact"; "tiers" for tiers, "none" without a rate. */
export function priceText(book: PriceBook, traffic: Traffic): string {
  return bothDirections((direction) => ratesFor(book, traffic, direction));
}

/** The same of what a middlebox charges. */
export function processingText(book: PriceBook, traffic: Pick<Traffic, 'path' | 'region' | 'switches'>): string {
  return bothDirections((direction) => processingFor(book, traffic, direction));
}

function bothDirections(find: (direction: Direction) => (RateEntry | ProcessingEntry)[]): string {
  return DIRECTIONS.map((direction) => {
    const [entry, ...others] = find(direction);
    if (others.length > 0) throw new Error(`${others.length + 1} entries for one direction: ${JSON.stringify(entry)}`);
    return entry === undefined ? 'none' : `${entry.usdPerUnit ?? 'tiers'} ${entry.basis}`;
  }).join(', ');
}

/** Undefined: any word will do. */
function names(list: readonly string[] | undefined, word: string | undefined): boolean | undefined {
  return list && word !== undefined ? list.includes(word) : list && false;
}

function holds(book: PriceBook, when: RateEntry['when'], { switches = {} }: Pick<Traffic, 'switches'>): boolean {
  return Object.entries(when ?? {}).every(([name, wanted]) =>
    [wanted].flat().includes(switches[name] ?? book.switches![name]!.default),
  );
}

function isIn(book: PriceBook, selector: RegionSelector | undefined, region: string | undefined): boolean {
  return selector === undefined || compileSelector(selector, book.groups ?? {})(region ?? null);
}
