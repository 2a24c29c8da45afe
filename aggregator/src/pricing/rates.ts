// Finds what a price book has for some traffic: the one rate of a direction, and what a middlebox charges. Knows no configuration but
// the values of switches.
import type {
  AllowanceEntry,
  AmountEntry,
  PriceBook,
  ProcessingEntry,
  RateEntry,
  TreatAsEntry,
} from './book/format.ts';
import { compileSelector, type RegionSelector } from './book/region-selector.ts';
import { type Basis, type Direction, type PricedClass, type Relation, worseBasis } from './book/words.ts';
import { holds, type Switches } from './switches.ts';

/** What decides which rate it is. */
export interface RateKey {
  readonly trafficClass: PricedClass;
  readonly relation: Relation;
  readonly path: string | null;
  readonly service: string | null;
  readonly region: string | null;
  readonly peerRegion: string | null;
}

/** A rate of a book, and how sure it is for the traffic it was found for. */
export interface FoundRate<Entry extends AmountEntry = AmountEntry> {
  readonly entry: Entry;
  readonly unitBytes: number;
  readonly basis: Basis;
  /** Why it is less sure than the entry says; for people. */
  readonly doubts: readonly string[];
}

export interface Rates {
  readonly book: PriceBook;
  transfer(key: RateKey, direction: Direction, switches: Switches): FoundRate<RateEntry> | undefined;
  processing(
    path: string,
    region: string | null,
    direction: Direction,
    switches: Switches,
  ): FoundRate<ProcessingEntry> | undefined;
  /** What is free of this in a month. */
  allowances(trafficClass: PricedClass, region: string | null, switches: Switches): readonly AllowanceEntry[];
}

export function createRates(book: PriceBook): Rates {
  const regions = new Set(book.regions);
  const compiled = new Map<RegionSelector, (region: string | null) => boolean>();

  function isSelected(selector: RegionSelector | undefined, region: string | null): boolean {
    if (selector === undefined) return true;
    let selects = compiled.get(selector);
    if (selects === undefined) {
      selects = compileSelector(selector, book.groups ?? {});
      compiled.set(selector, selects);
    }
    return selects(region);
  }

  function found<Entry extends AmountEntry & Pick<RateEntry, 'when'>>(
    entry: Entry,
    region: string | null,
    switches: Switches,
    treated?: TreatAsEntry,
  ): FoundRate<Entry> {
    const unit = book.units[entry.unit]!;
    const doubts: string[] = [];
    let basis: Basis = entry.basis;
    const doubt = (other: Basis, why: string) => {
      if (other === 'exact') return;
      basis = worseBasis(basis, other);
      doubts.push(why);
    };
    if (treated !== undefined) doubt(treated.basis, treated.note);
    const conditions = Object.keys(entry.when ?? {});
    doubt(switches.basisOf(conditions), `nobody has set the switch: ${conditions.join(', ')}`);
    const isForRegion = region === null || regions.has(region) || isFree(entry);
    if (!isForRegion) doubt('estimated', `the book was not made for region ${region}`);
    let unitBytes = unit.bytes;
    const value = unit.switch && switches.value(unit.switch.name);
    if (unit.switch !== undefined && value !== undefined) unitBytes = unit.switch.bytes[value] ?? unit.bytes;
    // Nothing times an uncertain number of gigabytes is certainly nothing.
    const isUnitSure = unit.switch !== undefined && switches.basisOf([unit.switch.name]) === 'exact';
    if (!isUnitSure && !isFree(entry)) doubt(unit.basis, `how many bytes a ${entry.unit} has is ${unit.basis}`);
    return { entry, unitBytes, basis, doubts };
  }

  function bestTransfer(key: RateKey, trafficClass: PricedClass, direction: Direction, switches: Switches) {
    const fitting = book.rates.filter(
      (rate) =>
        rate.class === trafficClass &&
        rate.directions.includes(direction) &&
        (rate.relations === undefined || rate.relations.includes(key.relation)) &&
        fits(rate.paths, key.path) &&
        fits(rate.services, key.service) &&
        holds(rate.when, switches) &&
        isSelected(rate.regions, key.region) &&
        isSelected(rate.peerRegions, key.peerRegion),
    );
    // What names the path goes before what does not, and then what names the service.
    const rank = (rate: RateEntry) => (rate.paths === undefined ? 0 : 2) + (rate.services === undefined ? 0 : 1);
    return fitting.toSorted((a, b) => rank(b) - rank(a))[0];
  }

  return {
    book,
    transfer(key, direction, switches) {
      const direct = bestTransfer(key, key.trafficClass, direction, switches);
      if (direct !== undefined) return found(direct, key.region, switches);
      const treated = book.treatAs?.find(
        (rule) =>
          rule.class === key.trafficClass &&
          (rule.relations === undefined || rule.relations.includes(key.relation)) &&
          fits(rule.paths, key.path) &&
          fits(rule.services, key.service),
      );
      const rate = treated && bestTransfer(key, treated.as, direction, switches);
      return rate && found(rate, key.region, switches, treated);
    },
    processing(path, region, direction, switches) {
      const entry = book.processing?.find(
        (candidate) =>
          candidate.paths.includes(path) &&
          candidate.directions.includes(direction) &&
          holds(candidate.when, switches) &&
          isSelected(candidate.regions, region),
      );
      return entry && found(entry, region, switches);
    },
    allowances: (trafficClass, region, switches) =>
      (book.allowances ?? []).filter(
        (allowance) =>
          allowance.class === trafficClass && holds(allowance.when, switches) && isSelected(allowance.regions, region),
      ),
  };
}

function fits(list: readonly string[] | undefined, word: string | null): boolean {
  return list === undefined || (word !== null && list.includes(word));
}

function isFree({ usdPerUnit, tiers }: AmountEntry): boolean {
  return [usdPerUnit ?? '0', ...(tiers ?? []).map((tier) => tier.usdPerUnit)].every((text) => Number(text) === 0);
}
