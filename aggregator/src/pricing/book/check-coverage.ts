// How the entries of a price book go together: no two rates are for the same traffic, every pair of regions has a rate or is said
// to be missing, no rate is out of reach. Takes a book whose single entries are right (check.ts).
import type { Problems } from '../../document/problems.ts';
import type { PriceBook, ProcessingEntry, RateEntry } from './format.ts';
import { type RegionSelector, representatives, selectRegions } from './region-selector.ts';
import type { PricedClass, Relation } from './words.ts';

type Regions = ReadonlySet<string | null>;
type When = ProcessingEntry['when'];

/** Classes that do not say where the sides are to each other. */
export const RELATED_CLASSES: ReadonlySet<PricedClass> = new Set(['peered', 'provider-service', 'on-premises']);

/** Classes whose two sides are in one region. */
const ONE_REGION_CLASSES: ReadonlySet<PricedClass> = new Set([
  'same-zone',
  'cross-zone',
  'same-region',
  'same-region-public',
]);

const ONE_REGION: ReadonlySet<Relation> = new Set(['same-zone', 'cross-zone', 'same-region']);

/** Adds everything that is wrong between the entries of a book. */
export function checkCoverage(book: PriceBook, problems: Problems): void {
  const regions = new RegionSets(book);
  checkReach(book, regions, problems);
  checkOverlaps(book, regions, problems);
  checkPairs(book, regions, problems);
}

/** The regions that each selector of a book selects, among all that the book can tell apart. */
class RegionSets {
  readonly #book: PriceBook;
  readonly #all: Regions;
  readonly #sets = new Map<RegionSelector | undefined, Regions>();

  constructor(book: PriceBook) {
    this.#book = book;
    const groups = book.groups ?? {};
    const entries = [...book.rates, ...(book.processing ?? []), ...(book.allowances ?? []), ...(book.missing ?? [])];
    const selectors = entries.flatMap((entry) => [
      entry.regions ?? [],
      ('peerRegions' in entry ? entry.peerRegions : undefined) ?? [],
    ]);
    this.#all = new Set([...book.regions, ...representatives(selectors, groups)]);
  }

  of(selector: RegionSelector | undefined): Regions {
    let set = this.#sets.get(selector);
    if (set === undefined) {
      set = selectRegions(this.#all, selector, this.#book.groups ?? {});
      this.#sets.set(selector, set);
    }
    return set;
  }
}

/** A rate that no traffic can have is a mistake of whoever wrote it. */
function checkReach(book: PriceBook, sets: RegionSets, problems: Problems): void {
  for (const [index, rate] of book.rates.entries()) {
    if (!isReachable(rate, sets.of(rate.regions), sets.of(rate.peerRegions))) {
      problems.add(
        ['rates', index],
        `no ${rate.class} traffic goes between these regions; correct regions or peerRegions`,
      );
    }
  }
  for (const list of ['processing', 'allowances'] as const) {
    for (const [index, entry] of (book[list] ?? []).entries()) {
      if (sets.of(entry.regions).size === 0) problems.add([list, index, 'regions'], 'selects no region; correct it');
    }
  }
}

function isReachable(rate: RateEntry, regions: Regions, peers: Regions): boolean {
  const pairs = (isPair: (a: string | null, b: string | null) => boolean) =>
    [...regions].some((a) => [...peers].some((b) => isPair(a, b)));
  if (rate.class === 'internet') return pairs((_, peer) => peer === null);
  const relations = rate.relations ?? relationsOf(rate.class);
  if (relations === undefined) return regions.size > 0 && peers.size > 0;
  return relations.some((relation) => {
    if (ONE_REGION.has(relation)) return pairs((a, b) => a !== null && a === b);
    if (relation === 'cross-region') return pairs((a, b) => a !== null && b !== null && a !== b);
    return pairs((a, b) => a === null || b === null);
  });
}

function relationsOf(trafficClass: PricedClass): readonly Relation[] | undefined {
  if (ONE_REGION_CLASSES.has(trafficClass)) return ['same-region'];
  return trafficClass === 'cross-region' ? ['cross-region'] : undefined;
}

/** Two rates for the same traffic would make the price depend on their order. */
function checkOverlaps(book: PriceBook, sets: RegionSets, problems: Problems): void {
  const report = (list: string, index: number, other: number, what: string) =>
    problems.add([list, index], `and ${list}[${other}] both price some ${what}; leave one, or tell them apart`);
  forEachPair(book.rates, (a, b, first, second) => {
    const isSameKey =
      a.class === b.class &&
      shares(a.directions, b.directions) &&
      isEquallySpecific(a.paths, b.paths) &&
      isEquallySpecific(a.services, b.services) &&
      (a.relations === undefined || b.relations === undefined || shares(a.relations, b.relations)) &&
      isTogether(a.when, b.when);
    if (isSameKey && intersects(sets, a.regions, b.regions) && intersects(sets, a.peerRegions, b.peerRegions)) {
      report('rates', first, second, `${a.class} traffic`);
    }
  });
  forEachPair(book.processing ?? [], (a, b, first, second) => {
    const isSameKey = shares(a.paths, b.paths) && shares(a.directions, b.directions) && isTogether(a.when, b.when);
    if (isSameKey && intersects(sets, a.regions, b.regions)) {
      report('processing', first, second, `bytes of ${a.paths.filter((path) => b.paths.includes(path)).join(', ')}`);
    }
  });
}

function forEachPair<T>(items: readonly T[], visit: (a: T, b: T, first: number, second: number) => void): void {
  items.forEach((a, first) => {
    for (let second = first + 1; second < items.length; second++) visit(a, items[second]!, first, second);
  });
}

function intersects(sets: RegionSets, a: RegionSelector | undefined, b: RegionSelector | undefined): boolean {
  const other = sets.of(b);
  return [...sets.of(a)].some((region) => other.has(region));
}

function shares<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.some((item) => b.includes(item));
}

/** A list is more specific than none; two lists compete where they share an item. */
function isEquallySpecific(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return a === undefined ? b === undefined : b !== undefined && shares(a, b);
}

/** Whether both can hold at once. */
function isTogether(a: When, b: When): boolean {
  return Object.entries(a ?? {}).every(([name, wanted]) => {
    const other = b?.[name];
    return other === undefined || shares([wanted].flat(), [other].flat());
  });
}

/** A pair of regions that was forgotten would be found by the first flow between them. */
function checkPairs(book: PriceBook, sets: RegionSets, problems: Problems): void {
  const rates = book.rates.filter(
    (rate) => rate.class === 'cross-region' && rate.directions.includes('out') && rate.paths === undefined,
  );
  if (rates.length === 0) return;
  const missing = book.missing ?? [];
  for (const region of book.regions) {
    const peersOf = (entries: readonly Pick<RateEntry, 'regions' | 'peerRegions'>[]) => {
      const peers = new Set(
        entries
          .filter((entry) => sets.of(entry.regions).has(region))
          .flatMap((entry) => [...sets.of(entry.peerRegions)]),
      );
      return book.regions.filter((peer) => peer !== region && peers.has(peer));
    };
    const unread = peersOf(missing);
    for (const values of combinations(book, rates)) {
      const priced = peersOf(rates.filter((rate) => isTogether(rate.when, values)));
      const without = book.regions.filter(
        (peer) => peer !== region && !priced.includes(peer) && !unread.includes(peer),
      );
      const pairs = `from ${region} to ${without.join(', ')}${valuesText(values)}`;
      if (without.length > 0) {
        problems.add(['rates'], `no cross-region rate ${pairs}; add it, or list it in missing`);
      }
    }
    const both = peersOf(rates).filter((peer) => unread.includes(peer));
    if (both.length > 0) {
      problems.add(['missing'], `${region} to ${both.join(', ')} has a rate; remove it from missing`);
    }
  }
}

/** Every way to set the switches that these rates depend on. */
function combinations(book: PriceBook, rates: readonly RateEntry[]): Record<string, string>[] {
  const names = new Set(rates.flatMap((rate) => Object.keys(rate.when ?? {})));
  let all: Record<string, string>[] = [{}];
  for (const name of names) {
    const { values } = book.switches![name]!;
    all = all.flatMap((one) => values.map((value) => ({ ...one, [name]: value })));
  }
  return all;
}

function valuesText(values: Readonly<Record<string, string>>): string {
  const text = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  return text.length === 0 ? '' : ` with ${text.join(', ')}`;
}
