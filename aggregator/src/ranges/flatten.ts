// Prefixes, nested and repeated → intervals that do not overlap, each with the one place that holds there: the longest prefix
// decides; of equal ones a named service goes before machines, and these before the list of everything; then the word decides.
import type { AddressPlace } from '../model/address-place.ts';
import { FlowtollError } from '../model/errors.ts';
import { hostMask, IPV6 } from './address-words.ts';
import type { PrefixList, RangePlace } from './prefix-list.ts';

/** Intervals of one family from address 0 to the last. */
export interface Intervals {
  /** First addresses, ascending, `width` words each; the first is 0. An interval ends where the next begins. */
  readonly starts: Uint32Array;
  /** Numbers of places; neighbours differ. */
  readonly placeOf: Uint16Array;
}

/** Words of an address: IPv4, IPv6. */
export type Width = 1 | 4;

const NUMBER_MAX = 65_535;

/** Numbers of places; 0 is none. */
export class PlaceNumbers {
  readonly places: (AddressPlace | undefined)[] = [undefined];
  readonly #known = new Map<string, number>();

  of(provider: string, region: string | null, service: string | null): number {
    const key = `${provider} ${region} ${service}`;
    let number = this.#known.get(key);
    if (number === undefined) {
      if (this.places.length > NUMBER_MAX) {
        throw new FlowtollError(
          'RANGES_INVALID',
          `the ranges have more than ${NUMBER_MAX} different places, which no provider has; take them from their official addresses`,
        );
      }
      number = this.places.push({ provider, region, service }) - 1;
      this.#known.set(key, number);
    }
    return number;
  }
}

/** A prefix that the sweep is in. */
interface Open {
  /** Last address, `width` words. */
  readonly last: Uint32Array;
  readonly number: number;
  /** What lines say of it. */
  readonly group: readonly RangePlace[];
}

/** Flattens the prefixes of one family. */
export function flattenPrefixes(lists: readonly PrefixList[], width: Width, numbers: PlaceNumbers): Intervals {
  const prefixes = sorted(lists, width);
  const output = new Boundaries(width, 2 * prefixes.length + 1);
  const open: Open[] = [];
  output.begin(new Uint32Array(width), 0, 0);

  /** Ends what ends before the address at `offset`; all of it where there is none. */
  function closeBefore(words?: Uint32Array, offset = 0): void {
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      if (words !== undefined && compareWords(top.last, 0, words, offset, width) >= 0) return;
      open.pop();
      const next = Uint32Array.from(top.last);
      if (increase(next)) output.begin(next, 0, open.at(-1)?.number ?? 0);
    }
  }

  for (let i = 0; i < prefixes.length; ) {
    const { list, at } = prefixes[i]!;
    const group = [list.places[list.placeOf[at]!]!];
    while (++i < prefixes.length && comparePrefixes(prefixes[i]!, { list, at }, width) === 0) {
      const same = prefixes[i]!;
      group.push(same.list.places[same.list.placeOf[same.at]!]!);
    }
    closeBefore(list.words, 4 * at);
    const { provider, service, ...winner } = group.reduce(better);
    const region = winner.region ?? (winner.inheritsRegion ? regionAround(provider, group, open) : null);
    const number = numbers.of(provider, region, service);
    open.push({ last: lastAddress(list, at, width), number, group });
    output.begin(list.words, 4 * at, number);
  }
  closeBefore();
  return output.finish();
}

function better(one: RangePlace, other: RangePlace): RangePlace {
  if (one.rank !== other.rank) return one.rank > other.rank ? one : other;
  return textOf(one) <= textOf(other) ? one : other;
}

/** The shorter of two services that begin alike goes first, and a region before none. */
function textOf({ provider, service, region }: RangePlace): string {
  return `${provider} ${service ?? ''} ${region ?? '~'}`;
}

/** What other lines say of the same prefix, or of the nearest one around it that has a region. */
function regionAround(provider: string, group: readonly RangePlace[], open: readonly Open[]): string | null {
  for (let i = open.length; i >= 0; i--) {
    const named = (open[i]?.group ?? group).filter((place) => place.provider === provider && place.region !== null);
    if (named.length > 0) return named.reduce(better).region;
  }
  return null;
}

/** One prefix of one list. */
interface Entry {
  readonly list: PrefixList;
  readonly at: number;
}

/** All of the family, by first address, those that hold others before them. */
function sorted(lists: readonly PrefixList[], width: Width): Entry[] {
  const entries: Entry[] = [];
  for (const list of lists) {
    for (let at = 0; at < list.count; at++) {
      if (list.codes[at]! >= IPV6 === (width === 4)) entries.push({ list, at });
    }
  }
  return entries.sort((a, b) => comparePrefixes(a, b, width));
}

function comparePrefixes(a: Entry, b: Entry, width: Width): number {
  const order = compareWords(a.list.words, 4 * a.at, b.list.words, 4 * b.at, width);
  return order === 0 ? a.list.codes[a.at]! - b.list.codes[b.at]! : order;
}

function compareWords(a: Uint32Array, offsetA: number, b: Uint32Array, offsetB: number, width: Width): number {
  for (let i = 0; i < width; i++) {
    const difference = a[offsetA + i]! - b[offsetB + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

function lastAddress({ words, codes }: PrefixList, at: number, width: Width): Uint32Array {
  const bits = codes[at]! & (IPV6 - 1);
  const last = words.slice(4 * at, 4 * at + width);
  for (let i = 0; i < width; i++) last[i] = (last[i]! | hostMask(bits, i)) >>> 0;
  return last;
}

/** The next address; false after the last one. */
function increase(words: Uint32Array): boolean {
  for (let i = words.length - 1; i >= 0; i--) {
    words[i] = words[i]! + 1;
    if (words[i] !== 0) return true;
  }
  return false;
}

/** Where intervals begin, ascending. */
class Boundaries {
  readonly #width: Width;
  readonly #starts: Uint32Array;
  readonly #placeOf: Uint16Array;
  #count = 0;

  constructor(width: Width, most: number) {
    this.#width = width;
    this.#starts = new Uint32Array(width * most);
    this.#placeOf = new Uint16Array(most);
  }

  /** From this address on it is this place; who says so last of one address is right. */
  begin(words: Uint32Array, offset: number, number: number): void {
    const width = this.#width;
    const last = this.#count - 1;
    if (last >= 0 && compareWords(this.#starts, width * last, words, offset, width) === 0) this.#count--;
    if (this.#count > 0 && this.#placeOf[this.#count - 1] === number) return;
    this.#starts.set(words.subarray(offset, offset + width), width * this.#count);
    this.#placeOf[this.#count++] = number;
  }

  finish(): Intervals {
    return { starts: this.#starts.slice(0, this.#width * this.#count), placeOf: this.#placeOf.slice(0, this.#count) };
  }
}
