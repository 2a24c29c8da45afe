// A reading and a base book → a new book: rates that were read replace the base's rates for the same traffic, everything else
// stays as it is, with its own sources. What no API says (bytes of a unit, doubts, how tiers pool) is taken over.
import { FlowtollError } from '../../model/errors.ts';
import type { PriceBook, ProcessingEntry, RateEntry } from '../book/format.ts';
import { parsePriceBook } from '../book/read.ts';
import type { Basis, Direction } from '../book/words.ts';
import {
  type BookEntry,
  type Cells,
  joinDirections,
  pricesSome,
  selectsPair,
  type TrafficKey,
  withoutTraffic,
} from './entry-cut.ts';
import { mergeAllowances } from './merge-allowances.ts';
import { missingPairs } from './merge-missing.ts';
import { groupPairs } from './pair-groups.ts';
import { type IgnoredRows, IgnoredTally, type Reading, type ReadRate } from './reading.ts';

/** What an import made of documents and a base. */
export interface Imported {
  readonly book: PriceBook;
  readonly summary: ImportSummary;
}

export interface ImportSummary {
  /** Rows of the documents. */
  readonly rowCount: number;
  /** Rates that were read: one per region or pair of regions, and direction. */
  readonly readCount: number;
  /** Of these, how many the base had no rate for. */
  readonly newCount: number;
  readonly allowanceCount: number;
  /** Entries of the base by what became of them. */
  readonly base: { readonly replaced: number; readonly cut: number; readonly kept: number };
  readonly newRegions: readonly string[];
  readonly ignored: readonly IgnoredRows[];
  /** What whoever imports should know. */
  readonly remarks: readonly string[];
}

/** One rate for one direction, and the base's rate for the same traffic. */
interface Cell {
  readonly rate: ReadRate;
  readonly base: BookEntry | undefined;
}

/** The cells of one kind of traffic. */
interface KindOfTraffic {
  readonly key: TrafficKey;
  /** By region and peer; the region null is for every region. */
  readonly cells: Map<string, Cell>;
}

/**
 * Throws PRICE_DOCUMENT_INVALID where nothing was understood or the base does not fit, PRICE_BOOK_INVALID where the result is no
 * valid book.
 */
export function mergeReading(read: Reading, base: PriceBook, effectiveFrom?: string): Imported {
  const reading = withFreshSources(read, base);
  if (reading.provider !== base.provider) {
    throw new FlowtollError(
      'PRICE_DOCUMENT_INVALID',
      `the documents are ${reading.provider}'s, the base book is ${base.provider}'s; give --base a book of ${reading.provider}`,
    );
  }
  const ignored = new IgnoredTally();
  const rates = reading.rates.filter((rate) => isOfSwitches(rate, base, ignored));
  if (rates.length === 0) throw nothingRead(reading);
  for (const { unit } of rates) {
    if (!Object.hasOwn(base.units, unit)) {
      throw new FlowtollError(
        'PRICE_DOCUMENT_INVALID',
        `the documents price by ${unit}, and the base book has no such unit: add it to units there, with its bytes, which no API says`,
      );
    }
  }
  const usedSwitches = new Set(rates.flatMap(({ when }) => Object.keys(when ?? {})));
  const switches = {
    ...Object.fromEntries(Object.entries(reading.switches).filter(([name]) => usedSwitches.has(name))),
    ...base.switches,
  };
  const context = { switches, groups: base.groups ?? {} };
  const old: BookEntry[] = [...base.rates, ...(base.processing ?? [])];
  const kinds = kindsOf(rates, old, context, ignored);
  const entries = kinds.flatMap((kind) => entriesOf(kind));
  const counts = { replaced: 0, cut: 0, kept: 0 };
  const left = old.flatMap((entry) => {
    let pieces: BookEntry[] = [entry];
    for (const { key, cells } of kinds) {
      const taken = cellsToCut(key, cells);
      pieces = pieces.flatMap((piece) => withoutTraffic(piece, key, taken, context));
    }
    counts[pieces.length === 0 ? 'replaced' : pieces.length === 1 && pieces[0] === entry ? 'kept' : 'cut']++;
    return joinDirections(pieces);
  });
  const newRegions = [...new Set(rates.flatMap(({ region, peerRegion }) => [region, peerRegion]))]
    .filter((region) => typeof region === 'string')
    .filter((region) => !base.regions.includes(region))
    .toSorted();
  const regions = [...base.regions, ...newRegions];
  const isRate = (entry: BookEntry): entry is RateEntry => entry.class !== undefined;
  const isProcessing = (entry: BookEntry): entry is ProcessingEntry => entry.class === undefined;
  const all = [...joinDirections(entries), ...left];
  const allRates = all.filter(isRate);
  const processing = all.filter(isProcessing);
  const { allowances, readCount } = mergeAllowances(base.allowances ?? [], reading.allowances);
  const missing = missingPairs(regions, allRates, base.missing ?? [], context.groups);
  const draft = {
    ...base,
    ...{ date: reading.date, regions, rates: allRates },
    ...(effectiveFrom === undefined ? {} : { effectiveFrom }),
    ...(Object.keys(switches).length === 0 ? {} : { switches }),
    ...(processing.length === 0 ? {} : { processing }),
    ...(allowances.length === 0 ? {} : { allowances }),
    missing,
    sources: { ...base.sources, ...reading.sources },
  };
  const book = parsePriceBook(
    { ...draft, ...(missing.length === 0 ? { missing: undefined } : {}), sources: usedSources(draft, base) },
    'made by the import',
  );
  return {
    book,
    summary: {
      ...{ rowCount: reading.rowCount, allowanceCount: readCount, base: counts, newRegions },
      readCount: kinds.reduce((sum, { cells }) => sum + cells.size, 0),
      newCount: kinds.reduce(
        (sum, { cells }) => sum + [...cells.values()].filter((cell) => cell.base === undefined).length,
        0,
      ),
      ignored: [...reading.ignored, ...ignored.list()],
      remarks: remarksOf(reading, base),
    },
  };
}

/** A source of the base that is called the same but is another one keeps its name; the new one gets a number. */
function withFreshSources(reading: Reading, base: PriceBook): Reading {
  const names = new Map<string, string>();
  for (const [id, source] of Object.entries(reading.sources)) {
    const isFree = (name: string) =>
      !Object.hasOwn(base.sources, name) || JSON.stringify(base.sources[name]) === JSON.stringify(source);
    let name = id;
    for (let count = 2; !isFree(name); count++) name = `${id}-${count}`;
    names.set(id, name);
  }
  const renamed = <T extends { readonly source: string }>(one: T): T => ({ ...one, source: names.get(one.source)! });
  return {
    ...reading,
    ...{ rates: reading.rates.map(renamed), allowances: reading.allowances.map(renamed) },
    sources: Object.fromEntries(Object.entries(reading.sources).map(([id, source]) => [names.get(id)!, source])),
  };
}

/** A base whose switch does not have the value would refuse the rate; the book's word counts. */
function isOfSwitches(rate: ReadRate, base: PriceBook, ignored: IgnoredTally): boolean {
  const wrong = Object.entries(rate.when ?? {}).find(
    ([name, value]) => base.switches?.[name] !== undefined && !base.switches[name].values.includes(value),
  );
  if (wrong !== undefined) ignored.add(`base book's switch ${wrong[0]} has no value ${wrong[1]}`, textOf(rate));
  return wrong === undefined;
}

interface Context {
  readonly switches: NonNullable<PriceBook['switches']>;
  readonly groups: NonNullable<PriceBook['groups']>;
}

function kindsOf(
  rates: readonly ReadRate[],
  old: readonly BookEntry[],
  context: Context,
  ignored: IgnoredTally,
): KindOfTraffic[] {
  const kinds = new Map<string, KindOfTraffic>();
  const contradicted = new Set<string>();
  for (const rate of rates) {
    for (const direction of directionsOf(rate, old)) {
      const key: TrafficKey = {
        ...(rate.class === undefined ? {} : { class: rate.class }),
        ...(rate.path === undefined ? {} : { path: rate.path }),
        ...(rate.relations === undefined ? {} : { relations: rate.relations }),
        ...(rate.when === undefined ? {} : { when: rate.when }),
        direction,
      };
      const id = JSON.stringify([
        key.class,
        key.path,
        key.relations,
        Object.entries(key.when ?? {}).toSorted(),
        direction,
      ]);
      const kind = kinds.get(id) ?? { key, cells: new Map<string, Cell>() };
      kinds.set(id, kind);
      const place = JSON.stringify([rate.region, rate.peerRegion]);
      const other = kind.cells.get(place);
      if (other !== undefined) {
        const isSame = JSON.stringify([other.rate.unit, other.rate.tiers]) === JSON.stringify([rate.unit, rate.tiers]);
        ignored.add(isSame ? 'rate was read twice' : 'two different rates for the same traffic', textOf(rate));
        if (!isSame) contradicted.add(`${id} ${place}`);
        continue;
      }
      const base = old.find(
        (entry) =>
          pricesSome(entry, key, context.switches) &&
          (rate.region === null || selectsPair(entry, rate.region, rate.peerRegion, context.groups)),
      );
      kind.cells.set(place, { rate, base });
    }
  }
  for (const [id, { cells }] of kinds) {
    for (const place of cells.keys()) if (contradicted.has(`${id} ${place}`)) cells.delete(place);
  }
  return [...kinds.values()].filter(({ cells }) => cells.size > 0);
}

function directionsOf(rate: ReadRate, old: readonly BookEntry[]): readonly Direction[] {
  if (!rate.areDirectionsAssumed) return rate.directions;
  const known = old.filter(
    (entry) => entry.class === rate.class && rate.path !== undefined && entry.paths?.includes(rate.path),
  );
  return known.length === 0 ? rate.directions : [...new Set(known.flatMap((entry) => entry.directions))];
}

/** Regions whose traffic of this kind was read. */
function cellsToCut(key: TrafficKey, cells: ReadonlyMap<string, Cell>): Cells {
  const taken = new Map<string, Set<string> | null>();
  for (const { rate } of cells.values()) {
    if (rate.region === null) return null;
    if (rate.peerRegion === undefined) taken.set(rate.region, null);
    else {
      const peers = taken.get(rate.region) ?? new Set<string>();
      // Between regions, a region with itself is no traffic; the base must not keep the pair that a new list may hold.
      if (key.class === 'cross-region') peers.add(rate.region);
      taken.set(rate.region, peers.add(rate.peerRegion));
    }
  }
  return taken;
}

/** Entries of a book for cells: those of one price together. */
function entriesOf({ key, cells }: KindOfTraffic): BookEntry[] {
  const pools = poolsOf(cells.values());
  const byAmount = new Map<string, { entry: BookEntry; cells: Cell[] }>();
  for (const cell of cells.values()) {
    const entry = entryOf(key, cell, pools);
    const id = JSON.stringify(entry);
    const group = byAmount.get(id) ?? { entry, cells: [] };
    byAmount.set(id, group);
    group.cells.push(cell);
  }
  const taken = new Set<string>();
  return [...byAmount.values()].flatMap(({ entry, cells: some }): BookEntry[] => {
    const single = some.filter(({ rate }) => rate.peerRegion === undefined).map(({ rate }) => rate.region);
    const pairs = new Map<string, Set<string>>();
    for (const { rate } of some) {
      if (rate.peerRegion === undefined || rate.region === null) continue;
      pairs.set(rate.region, (pairs.get(rate.region) ?? new Set()).add(rate.peerRegion));
    }
    const regions = single.filter((region) => region !== null).toSorted();
    return [
      ...(single.includes(null) ? [entry] : regions.length > 0 ? [{ ...entry, regions }] : []),
      ...groupPairs(pairs, taken).map((group) => ({
        ...entry,
        ...{ regions: [...group.regions], peerRegions: [...group.peerRegions] },
      })),
    ];
  });
}

function entryOf(key: TrafficKey, { rate, base }: Cell, pools: ReadonlyMap<string, string>): BookEntry {
  const [first, ...more] = rate.tiers;
  const isDisputed = base?.basis === 'disputed';
  const basis: Basis = isDisputed ? 'disputed' : 'exact';
  const pool = rate.pool === undefined ? base?.pool : (pools.get(rate.pool) ?? rate.pool);
  return {
    ...(key.class === undefined ? {} : { class: key.class }),
    ...(key.relations === undefined ? {} : { relations: [...key.relations] }),
    ...(key.path === undefined ? {} : { paths: [key.path] }),
    ...(key.when === undefined ? {} : { when: { ...key.when } }),
    ...{ directions: [key.direction], unit: rate.unit },
    ...(more.length === 0 ? { usdPerUnit: first!.usdPerUnit } : { tiers: rate.tiers.map((tier) => ({ ...tier })) }),
    ...(pool === undefined || more.length === 0 ? {} : { pool }),
    ...(rate.meter === undefined ? {} : { meter: rate.meter }),
    basis,
    sources: isDisputed ? [rate.source, ...base.sources.filter((id) => id !== rate.source)] : [rate.source],
    ...(isDisputed && base.note !== undefined ? { note: base.note } : {}),
  };
}

/** What the base calls the pools that documents name: only where it has one name for all rates of a pool. */
function poolsOf(cells: Iterable<Cell>): Map<string, string> {
  const names = new Map<string, Set<string>>();
  for (const { rate, base } of cells) {
    if (rate.pool === undefined || base?.pool === undefined) continue;
    names.set(rate.pool, (names.get(rate.pool) ?? new Set()).add(base.pool));
  }
  return new Map([...names].flatMap(([pool, some]) => (some.size === 1 ? [[pool, [...some][0]!]] : [])));
}

/** Sources that something refers to; those that the base had beside its entries stay. */
function usedSources(
  draft: Pick<PriceBook, 'units' | 'rates' | 'processing' | 'allowances' | 'sources'>,
  base: PriceBook,
) {
  const used = sourceIds(draft);
  const usedBefore = sourceIds(base);
  return Object.fromEntries(
    Object.entries(draft.sources).filter(
      ([id]) => used.has(id) || (Object.hasOwn(base.sources, id) && !usedBefore.has(id)),
    ),
  );
}

function sourceIds(book: Pick<PriceBook, 'units' | 'rates' | 'processing' | 'allowances'>): Set<string> {
  const entries = [...Object.values(book.units), ...book.rates, ...(book.processing ?? []), ...(book.allowances ?? [])];
  return new Set(entries.flatMap(({ sources }) => sources));
}

function remarksOf(reading: Reading, base: PriceBook): string[] {
  if (reading.date >= base.date) return [];
  return [`the documents are of ${reading.date}, older than the base book of ${base.date}`];
}

function textOf({ class: name, path, region, peerRegion, when, tiers }: ReadRate): string {
  const where = `${region ?? 'every region'}${peerRegion === undefined ? '' : ` to ${peerRegion}`}`;
  const price = tiers
    .map(({ from, usdPerUnit }) => (from === 0 ? usdPerUnit : `${usdPerUnit} from ${from}`))
    .join(', ');
  return [name ?? path, where, ...Object.values(when ?? {}), price].join(' ');
}

function nothingRead(reading: Reading): FlowtollError {
  const reasons = reading.ignored.map(({ reason, count }) => `${count} × ${reason}`).join('; ');
  return new FlowtollError(
    'PRICE_DOCUMENT_INVALID',
    `no rate of ${reading.provider} was understood in ${reading.rowCount} rows${reasons === '' ? '' : ` (${reasons})`}; check that these are the documents that docs/importing-prices.md names`,
  );
}
