// What two price books charge differently, and for which traffic. Both are laid out traffic by traffic, region by region, so that
// it does not matter how each of them writes its lists; what differs alike is put together again.
import type { PriceBook } from '../book/format.ts';
import { expandSelector, type RegionGroups, type RegionSelector, selects } from '../book/region-selector.ts';
import { type Basis, RELATIONS } from '../book/words.ts';
import { parseUsd } from '../money.ts';
import type { BookEntry } from './entry-cut.ts';
import { groupPairs } from './pair-groups.ts';

/** A region that is not known, and one that neither book names. */
export const UNKNOWN_REGION = '?';
export const OTHER_REGION = '*';

/** What a book charges. */
export interface Price {
  readonly unit: string;
  readonly tiers: readonly { readonly from: number; readonly usdPerUnit: string }[];
  readonly pool?: string;
  readonly basis: Basis;
}

/** Traffic that is charged differently in one way. Lists that are absent: whatever it is. */
export interface RateDifference {
  readonly kind: 'added' | 'removed' | 'changed' | 'basis';
  /** Absent: bytes that pass a middlebox. */
  readonly class?: string;
  readonly paths?: readonly string[];
  readonly services?: readonly string[];
  readonly directions: readonly string[];
  readonly relations?: readonly string[];
  readonly when?: Readonly<Record<string, readonly string[]>>;
  readonly regions?: readonly string[];
  readonly peerRegions?: readonly string[];
  readonly old?: Price;
  readonly new?: Price;
}

export interface BookDifferences {
  readonly rates: readonly RateDifference[];
  /** Units, regions, free amounts, rules: one line each. */
  readonly others: readonly string[];
}

export function diffBooks(old: PriceBook, next: PriceBook): BookDifferences {
  const sections = new Set([...layersOf(old), ...layersOf(next)].map((entry) => entry.class));
  return {
    rates: [...sections].flatMap((section) => diffSection(section, old, next)),
    others: otherDifferences(old, next),
  };
}

function layersOf(book: PriceBook): BookEntry[] {
  return [...book.rates, ...(book.processing ?? [])];
}

/** Names of what tells traffic apart, and the values that each may have here. */
interface Axes {
  readonly switches: ReadonlyMap<string, readonly string[]>;
  readonly relations: readonly string[];
  readonly regions: readonly string[];
  readonly peerRegions: readonly string[];
}

const ANY = '';

function diffSection(section: BookEntry['class'], old: PriceBook, next: PriceBook): RateDifference[] {
  const pick = (book: PriceBook) => layersOf(book).filter((entry) => entry.class === section);
  const [before, after] = [pick(old), pick(next)];
  const axes = axesOf([...before, ...after], old, next);
  const [oldCells, newCells] = [
    layOut(before, axes, old.groups ?? {}, section),
    layOut(after, axes, next.groups ?? {}, section),
  ];
  /** Change → kind of traffic → places. */
  const changes = new Map<string, Map<string, string[]>>();
  for (const traffic of new Set([...oldCells.keys(), ...newCells.keys()])) {
    const [from, to] = [oldCells.get(traffic), newCells.get(traffic)];
    for (const place of new Set([...(from?.keys() ?? []), ...(to?.keys() ?? [])])) {
      const [a, b] = [from?.get(place), to?.get(place)];
      if (a === b) continue;
      const change = JSON.stringify([a ?? null, b ?? null]);
      const byTraffic = changes.get(change) ?? new Map<string, string[]>();
      changes.set(change, byTraffic);
      const places = byTraffic.get(traffic) ?? [];
      byTraffic.set(traffic, places);
      places.push(place);
    }
  }
  return [...changes].flatMap(([change, byTraffic]) => {
    const [a, b] = (JSON.parse(change) as [string | null, string | null]).map((text) =>
      text === null ? undefined : (JSON.parse(text) as Price),
    );
    const parts = [...byTraffic].flatMap(([traffic, places]) =>
      placed(JSON.parse(traffic) as Traffic, places, axes, section),
    );
    const price = { ...(a === undefined ? {} : { old: a }), ...(b === undefined ? {} : { new: b }) };
    return joined(parts, axes).map((part) => ({
      ...{ kind: kindOf(a, b), ...(section === undefined ? {} : { class: section }) },
      ...part,
      ...price,
    }));
  });
}

function kindOf(old: Price | undefined, next: Price | undefined): RateDifference['kind'] {
  if (old === undefined) return 'added';
  if (next === undefined) return 'removed';
  return JSON.stringify({ ...old, basis: 0 }) === JSON.stringify({ ...next, basis: 0 }) ? 'basis' : 'changed';
}

function axesOf(entries: readonly BookEntry[], old: PriceBook, next: PriceBook): Axes {
  const switches = new Map<string, readonly string[]>();
  for (const name of new Set(entries.flatMap(({ when }) => Object.keys(when ?? {})))) {
    switches.set(name, [
      ...new Set([...(old.switches?.[name]?.values ?? []), ...(next.switches?.[name]?.values ?? [])]),
    ]);
  }
  const regions = [...new Set([...old.regions, ...next.regions])].toSorted().concat(UNKNOWN_REGION, OTHER_REGION);
  return {
    switches,
    relations: entries.some((entry) => entry.relations !== undefined) ? RELATIONS : [ANY],
    regions: entries.some((entry) => entry.regions !== undefined) ? regions : [ANY],
    peerRegions: entries.some((entry) => entry.peerRegions !== undefined) ? regions : [ANY],
  };
}

/** What is a key of a cell apart from its place. */
interface Traffic {
  readonly path: string;
  readonly service: string;
  readonly direction: string;
  readonly relation: string;
  readonly when: Readonly<Record<string, string>>;
}

/** Kind of traffic → place → price, both as text. */
function layOut(
  entries: readonly BookEntry[],
  axes: Axes,
  groups: RegionGroups,
  section: BookEntry['class'],
): Map<string, Map<string, string>> {
  const cells = new Map<string, Map<string, string>>();
  for (const entry of entries) {
    const price = priceOf(entry);
    const regions = axes.regions.filter((region) => isSelected(entry.regions, region, groups));
    const peers = axes.peerRegions.filter((region) => isSelected(entry.peerRegions, region, groups));
    for (const traffic of traffics(entry, axes)) {
      const key = JSON.stringify(traffic);
      const places = cells.get(key) ?? new Map<string, string>();
      cells.set(key, places);
      for (const region of regions) {
        for (const peer of peers) {
          if (isPossible(section, traffic.relation, region, peer)) places.set(JSON.stringify([region, peer]), price);
        }
      }
    }
  }
  return cells;
}

function priceOf({ unit, usdPerUnit, tiers, pool, basis }: BookEntry): string {
  const price: Price = {
    unit,
    tiers: tiers ?? [{ from: 0, usdPerUnit: usdPerUnit! }],
    ...(pool === undefined ? {} : { pool }),
    basis,
  };
  return JSON.stringify(price);
}

function* traffics(entry: BookEntry, axes: Axes): Generator<Traffic> {
  const relations = axes.relations.filter(
    (relation) => relation === ANY || entry.relations === undefined || entry.relations.some((one) => one === relation),
  );
  for (const when of combinations(entry, [...axes.switches])) {
    for (const path of entry.paths ?? [ANY]) {
      for (const service of entry.services ?? [ANY]) {
        for (const direction of entry.directions) {
          for (const relation of relations) yield { path, service, direction, relation, when };
        }
      }
    }
  }
}

function combinations(entry: BookEntry, switches: readonly [string, readonly string[]][]): Record<string, string>[] {
  return switches.reduce<Record<string, string>[]>(
    (all, [name, values]) => {
      const wanted = entry.when?.[name] === undefined ? values : [entry.when[name]].flat();
      return all.flatMap((some) => wanted.map((value) => ({ ...some, [name]: value })));
    },
    [{}],
  );
}

function isSelected(selector: RegionSelector | undefined, region: string, groups: RegionGroups): boolean {
  if (selector === undefined || region === ANY) return true;
  // A name that no book has: what only patterns for any name select.
  const name = region === UNKNOWN_REGION ? null : region === OTHER_REGION ? '~' : region;
  return selects(expandSelector(selector, groups), name);
}

/** Whether there can be such traffic: one region is no two, and between two none is unknown. */
function isPossible(section: BookEntry['class'], relation: string, region: string, peer: string): boolean {
  if (region === ANY || peer === ANY) return true;
  const isBetween = section === 'cross-region' || relation === 'cross-region';
  const isUnknown = region === UNKNOWN_REGION || peer === UNKNOWN_REGION;
  if (isBetween) return !isUnknown && (region !== peer || region === OTHER_REGION);
  if (relation === 'unknown') return isUnknown;
  const isWithin = /^(same-|cross-zone)/.test(section ?? '') || /^(same-|cross-zone)/.test(relation);
  return !isWithin || (!isUnknown && region === peer);
}

/** Traffic with lists of regions; lists of all are left out. */
interface Part {
  readonly paths?: readonly string[];
  readonly services?: readonly string[];
  readonly directions: readonly string[];
  readonly relations?: readonly string[];
  readonly when?: Readonly<Record<string, readonly string[]>>;
  readonly regions?: readonly string[];
  readonly peerRegions?: readonly string[];
}

function placed(
  { path, service, direction, relation, when }: Traffic,
  places: readonly string[],
  axes: Axes,
  section: BookEntry['class'],
): Part[] {
  const peersOf = new Map<string, Set<string>>();
  for (const place of places) {
    const [region, peer] = JSON.parse(place) as [string, string];
    peersOf.set(region, (peersOf.get(region) ?? new Set()).add(peer));
  }
  const isBetween = section === 'cross-region' || relation === 'cross-region';
  // Between two regions none is unknown: without that one it is all.
  const isAll = (list: readonly string[], all: readonly string[]) =>
    all.every((region) => list.includes(region) || (isBetween && region === UNKNOWN_REGION));
  return groupPairs(peersOf, new Set()).map(({ regions, peerRegions }) => ({
    ...(path === ANY ? {} : { paths: [path] }),
    ...(service === ANY ? {} : { services: [service] }),
    directions: [direction],
    ...(relation === ANY ? {} : { relations: [relation] }),
    ...(axes.switches.size === 0
      ? {}
      : { when: Object.fromEntries(Object.entries(when).map(([name, value]) => [name, [value]])) }),
    ...(isAll(regions, axes.regions) ? {} : { regions }),
    ...(isAll(peerRegions, axes.peerRegions) ? {} : { peerRegions }),
  }));
}

/** Parts that differ in one thing alone become one; what then has every value is left out. */
function joined(parts: readonly Part[], axes: Axes): Part[] {
  let some = joinBy(
    parts,
    (part) => part.directions,
    (part, directions) => ({ ...part, directions }),
  );
  for (const name of ['relations', 'paths', 'services'] as const) {
    some = joinBy(
      some,
      (part) => part[name],
      (part, values) => ({ ...part, [name]: values }),
    );
  }
  for (const name of axes.switches.keys()) {
    some = joinBy(
      some,
      (part) => part.when![name],
      (part, values) => ({ ...part, when: { ...part.when, [name]: values } }),
    );
  }
  return some.map(({ relations, when, ...part }) => {
    const limits = Object.entries(when ?? {}).filter(
      ([name, values]) => values.length < axes.switches.get(name)!.length,
    );
    return {
      ...part,
      ...(relations === undefined || relations.length === axes.relations.length ? {} : { relations }),
      ...(limits.length === 0 ? {} : { when: Object.fromEntries(limits) }),
    };
  });
}

/** A part without a list is for what no list names: it stays by itself. */
function joinBy(
  parts: readonly Part[],
  get: (part: Part) => readonly string[] | undefined,
  set: (part: Part, values: readonly string[]) => Part,
): Part[] {
  const groups = new Map<string, { part: Part; values: Set<string> | undefined }>();
  for (const part of parts) {
    const values = get(part);
    const id = JSON.stringify(values === undefined ? part : set(part, []));
    const group = groups.get(id) ?? { part, values: values && new Set() };
    groups.set(id, group);
    for (const value of values ?? []) group.values?.add(value);
  }
  return [...groups.values()].map(({ part, values }) => (values === undefined ? part : set(part, [...values])));
}

function otherDifferences(old: PriceBook, next: PriceBook): string[] {
  const unitOf = (book: PriceBook, name: string) => {
    const unit = book.units[name];
    if (unit === undefined) return undefined;
    const bySwitch = Object.entries(unit.switch?.bytes ?? {}).map(([value, bytes]) => `${value} ${bytes}`);
    return `${unit.bytes} bytes${bySwitch.length === 0 ? '' : ` (${bySwitch.join(', ')})`}, ${unit.basis}`;
  };
  const allowanceOf = (book: PriceBook, name: string) =>
    (book.allowances ?? [])
      .filter((allowance) => allowance.name === name)
      .map(({ amount, unit, class: of, when, regions, counts, basis }) =>
        [`${amount} ${unit} of ${of}`, counts, basis, regions && `in ${regions.join(' ')}`, when && whenText(when)]
          .filter(Boolean)
          .join(', '),
      )
      .join('; ') || undefined;
  const switchOf = (book: PriceBook, name: string) => {
    const one = book.switches?.[name];
    return one === undefined ? undefined : `${one.values.join(', ')}; ${one.default} by default`;
  };
  const compare = (what: string, names: Iterable<string>, of: (book: PriceBook, name: string) => string | undefined) =>
    [...new Set(names)].flatMap((name) => {
      const [a, b] = [of(old, name), of(next, name)];
      return a === b ? [] : [`${what} ${name}: ${a ?? 'none'} → ${b ?? 'none'}`];
    });
  const names = (of: (book: PriceBook) => object | undefined) =>
    [old, next].flatMap((book) => Object.keys(of(book) ?? {}));
  const text = (of: (book: PriceBook) => unknown) => (book: PriceBook) => JSON.stringify(of(book) ?? null);
  const lists = (a: readonly string[], b: readonly string[]) => a.filter((one) => !b.includes(one)).join(', ');
  const [added, removed] = [lists(next.regions, old.regions), lists(old.regions, next.regions)];
  return [
    ...(added === '' ? [] : [`regions added: ${added}`]),
    ...(removed === '' ? [] : [`regions removed: ${removed}`]),
    ...compare(
      'unit',
      names((book) => book.units),
      unitOf,
    ),
    ...compare(
      'switch',
      names((book) => book.switches),
      switchOf,
    ),
    ...compare(
      'allowance',
      [old, next].flatMap((book) => (book.allowances ?? []).map(({ name }) => name)),
      allowanceOf,
    ),
    ...compare(
      'rule',
      ['treatAs'],
      text((book) => book.treatAs?.map(({ note: _, ...rule }) => rule)),
    ),
    ...compare(
      'rule',
      ['ipv6BetweenNetworksIsPublic'],
      text((book) => book.ipv6BetweenNetworksIsPublic ?? false),
    ),
  ];
}

/** "network-tier standard, destination china|australia" */
export function whenText(when: Readonly<Record<string, string | readonly string[]>>): string {
  return Object.entries(when)
    .map(([name, values]) => `${name} ${[values].flat().join('|')}`)
    .join(', ');
}

/** From `old` to `next` in percent, with two places: "+12.50 %"; undefined where there is nothing to compare with. */
export function percentText(old: string | undefined, next: string | undefined): string | undefined {
  if (old === undefined || next === undefined) return undefined;
  const [a, b] = [parseUsd(old), parseUsd(next)];
  if (a === 0n) return undefined;
  const difference = b - a;
  const magnitude = difference < 0n ? -difference : difference;
  const hundredths = (2n * magnitude * 10_000n + a) / (2n * a);
  const digits = String(hundredths).padStart(3, '0');
  return `${difference < 0n ? '-' : '+'}${digits.slice(0, -2)}.${digits.slice(-2)} %`;
}

/** Old and new price of each tier that either has. */
export function tierDifferences(
  old: Price | undefined,
  next: Price | undefined,
): { readonly from: number; readonly old?: string; readonly new?: string }[] {
  const bounds = [...new Set([...(old?.tiers ?? []), ...(next?.tiers ?? [])].map(({ from }) => from))];
  const at = (price: Price | undefined, bound: number) =>
    price?.tiers.findLast(({ from }) => from <= bound)?.usdPerUnit;
  return bounds
    .toSorted((a, b) => a - b)
    .map((from) => {
      const [a, b] = [at(old, from), at(next, from)];
      return { from, ...(a === undefined ? {} : { old: a }), ...(b === undefined ? {} : { new: b }) };
    });
}
