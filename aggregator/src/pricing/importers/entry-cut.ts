// Takes traffic out of a rate of a book: what is left of it when another rate prices some of what it is for. Directions, paths,
// relations, switches and regions are cut one after the other; regions keep their patterns and get exclusions.
import type { AmountEntry, PriceBook, RateEntry } from '../book/format.ts';
import { expandSelector, type RegionGroups, type RegionSelector, selects } from '../book/region-selector.ts';
import { type Direction, type PricedClass, RELATIONS, type Relation } from '../book/words.ts';

/** A rate or a charge of a middlebox: what both have, and what only rates have. */
export interface BookEntry extends AmountEntry {
  readonly class?: PricedClass;
  readonly relations?: Relation[] | undefined;
  readonly services?: string[] | undefined;
  readonly paths?: string[] | undefined;
  readonly when?: RateEntry['when'];
  readonly directions: Direction[];
  readonly regions?: string[] | undefined;
  readonly peerRegions?: string[] | undefined;
}

/** Traffic of one kind, without regions. */
export interface TrafficKey {
  /** Absent: bytes that pass a middlebox. */
  readonly class?: PricedClass;
  readonly path?: string;
  readonly relations?: readonly Relation[];
  readonly when?: Readonly<Record<string, string>>;
  readonly direction: Direction;
}

/** Regions of the side that pays, each with those of the other side; null for all of these, or for any region at all. */
export type Cells = ReadonlyMap<string, ReadonlySet<string> | null> | null;

/** A list that selects every region, known or not. */
const ANY: RegionSelector = ['*', '?'];

/** Whether the entry prices some traffic of this kind, in whatever regions. */
export function pricesSome(entry: BookEntry, key: TrafficKey, switches: PriceBook['switches']): boolean {
  return (
    entry.class === key.class &&
    entry.services === undefined &&
    entry.directions.includes(key.direction) &&
    (key.path === undefined ? entry.paths === undefined : (entry.paths?.includes(key.path) ?? false)) &&
    (key.relations === undefined || (entry.relations ?? RELATIONS).some((one) => key.relations!.includes(one))) &&
    Object.entries(key.when ?? {}).every(([name, value]) => valuesOf(entry, name, switches, value).includes(value))
  );
}

/** Whether its lists select a pair of regions; no `peer`: whatever the other side. */
export function selectsPair(entry: BookEntry, region: string, peer: string | undefined, groups: RegionGroups): boolean {
  const isSelected = (selector: RegionSelector | undefined, name: string) =>
    selector === undefined || selects(expandSelector(selector, groups), name);
  return isSelected(entry.regions, region) && (peer === undefined || isSelected(entry.peerRegions, peer));
}

/** What is left of an entry without the cells of this traffic: the entry itself if it never was for any of it. */
export function withoutTraffic(
  entry: BookEntry,
  key: TrafficKey,
  cells: Cells,
  { switches, groups = {} }: Pick<PriceBook, 'switches' | 'groups'>,
): BookEntry[] {
  if (!pricesSome(entry, key, switches)) return [entry];
  const left: BookEntry[] = [];
  let shared = entry;
  const split = <K extends 'directions' | 'paths' | 'relations'>(
    name: K,
    all: readonly string[],
    taken: readonly string[],
  ) => {
    const rest = all.filter((item) => !taken.includes(item));
    if (rest.length > 0) left.push({ ...shared, [name]: rest });
    shared = { ...shared, [name]: all.filter((item) => taken.includes(item)) };
  };
  split('directions', entry.directions, [key.direction]);
  if (key.path !== undefined) split('paths', entry.paths!, [key.path]);
  if (key.relations !== undefined) split('relations', entry.relations ?? RELATIONS, key.relations);
  for (const [name, value] of Object.entries(key.when ?? {})) {
    const rest = valuesOf(shared, name, switches, value).filter((other) => other !== value);
    if (rest.length > 0)
      left.push({ ...shared, when: { ...shared.when, [name]: rest.length === 1 ? rest[0]! : rest } });
    shared = { ...shared, when: { ...shared.when, [name]: value } };
  }
  const uncut = cells === null ? [] : withoutCells(shared, cells, groups);
  // Nothing was cut: leave the entry as it was written.
  if (uncut.length === 1 && uncut[0] === shared) return [entry];
  return [...left, ...uncut];
}

function valuesOf(
  entry: BookEntry,
  name: string,
  switches: PriceBook['switches'],
  otherwise: string,
): readonly string[] {
  return [entry.when?.[name] ?? switches?.[name]?.values ?? otherwise].flat();
}

function withoutCells(entry: BookEntry, cells: NonNullable<Cells>, groups: RegionGroups): BookEntry[] {
  const isOfEntry = (region: string) =>
    entry.regions === undefined || selects(expandSelector(entry.regions, groups), region);
  /** Payers that lose the same regions of the other side share what is left. */
  const payersByLoss = new Map<string, { payers: string[]; loss: readonly string[] | null }>();
  for (const [region, peers] of cells) {
    if (!isOfEntry(region)) continue;
    const loss =
      peers === null || entry.peerRegions === undefined
        ? peers && [...peers]
        : [...peers].filter((peer) => selects(expandSelector(entry.peerRegions!, groups), peer));
    if (loss?.length === 0) continue;
    const sorted = loss === null ? null : loss.toSorted();
    const id = JSON.stringify(sorted);
    const group = payersByLoss.get(id) ?? { payers: [], loss: sorted };
    payersByLoss.set(id, group);
    group.payers.push(region);
  }
  if (payersByLoss.size === 0) return [entry];
  const touched = [...payersByLoss.values()].flatMap(({ payers }) => payers);
  const untouched = selectorWithout(entry.regions, touched, groups);
  const left: BookEntry[] = untouched === undefined ? [] : [{ ...entry, regions: untouched }];
  for (const { payers, loss } of payersByLoss.values()) {
    const peerRegions = loss === null ? undefined : selectorWithout(entry.peerRegions, loss, groups);
    if (peerRegions !== undefined) left.push({ ...entry, regions: payers.toSorted(), peerRegions });
  }
  return left;
}

/** The list without some regions; undefined if it then selects nothing. Patterns stay, and what they select is left out. */
function selectorWithout(
  selector: RegionSelector | undefined,
  removed: readonly string[],
  groups: RegionGroups,
): string[] | undefined {
  const terms = expandSelector(selector ?? ANY, groups);
  const positive = terms.filter((term) => !term.startsWith('!'));
  if (positive.every((term) => !term.endsWith('*'))) {
    const left = [...new Set(positive)].filter((term) => selects(terms, term === '?' ? null : term));
    const rest = left.filter((term) => !removed.includes(term));
    return rest.length === 0 ? undefined : rest;
  }
  return [...(selector ?? ANY), ...removed.filter((region) => selects(terms, region)).map((region) => `!${region}`)];
}

/** Entries that differ in their directions alone are one. */
export function joinDirections(entries: readonly BookEntry[]): BookEntry[] {
  const joined = new Map<string, BookEntry>();
  for (const entry of entries) {
    const id = JSON.stringify({ ...entry, directions: null });
    const other = joined.get(id);
    if (other === undefined) joined.set(id, entry);
    else {
      const both = new Set<Direction>([...other.directions, ...entry.directions]);
      joined.set(id, { ...other, directions: (['out', 'in'] as const).filter((direction) => both.has(direction)) });
    }
  }
  return [...joined.values()];
}
