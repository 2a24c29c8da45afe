// What one document says: prefixes in columns, and the places that they have. Filled by the parsers, read by the table.
import type { AddressPlace } from '../model/address-place.ts';
import { hasHostBits, IPV6, NO_ADDRESS, readAddress } from './address-words.ts';

/** Which of two places holds where a document lists one prefix under both: the greater. */
export const RANK = {
  /** The list of everything that is the provider's. */
  everything: 0,
  /** Machines of customers. */
  machines: 1,
  service: 2,
} as const;

/** What a line of a document says of its prefix. */
export interface RangePlace extends AddressPlace {
  readonly rank: (typeof RANK)[keyof typeof RANK];
  /** Its region is that of the range around it where the line names none: it does not say that there is none. */
  readonly inheritsRegion: boolean;
}

/** Prefixes of one document in the order of its lines, repeated ones too. */
export interface PrefixList {
  readonly count: number;
  /** Four of each prefix, most significant first; of IPv4 the first. */
  readonly words: Uint32Array;
  /** Prefix lengths, with IPV6 added for that family. */
  readonly codes: Uint16Array;
  /** Positions in `places`. */
  readonly placeOf: Uint16Array;
  readonly places: readonly RangePlace[];
}

/** Prefixes shorter than these are nobody's alone: such a line is wrong, and would name half of the internet. */
const SHORTEST_IPV4 = 8;
const SHORTEST_IPV6 = 16;
const PLACES_MAX = 65_535;

/** Collects the prefixes of a document. */
export class PrefixListBuilder {
  #words = new Uint32Array(4 * 1024);
  #codes = new Uint16Array(1024);
  #placeOf = new Uint16Array(1024);
  #count = 0;
  readonly #places: RangePlace[] = [];
  readonly #known = new Map<string, number>();
  readonly #read = new Uint32Array(4);

  /** Adds a prefix; returns what is wrong with it where it is not taken. */
  add(text: unknown, place: RangePlace): string | undefined {
    if (typeof text !== 'string') return text === undefined ? 'has no prefix' : 'is no text';
    const code = text.includes('/') ? readAddress(text, this.#read) : NO_ADDRESS;
    if (code === NO_ADDRESS) return `${JSON.stringify(text.slice(0, 60))} is no prefix such as 192.0.2.0/24`;
    if (hasHostBits(code, this.#read)) return `${text} has bits set after its prefix length`;
    if (code >= IPV6 ? code - IPV6 < SHORTEST_IPV6 : code < SHORTEST_IPV4) {
      return `${text} is wider than any provider's range`;
    }
    const index = this.#placeIndex(place);
    if (index > PLACES_MAX) return `there are more than ${PLACES_MAX} different regions and services`;
    if (this.#count === this.#codes.length) this.#grow();
    this.#words.set(this.#read, 4 * this.#count);
    this.#codes[this.#count] = code;
    this.#placeOf[this.#count++] = index;
    return undefined;
  }

  finish(): PrefixList {
    return {
      count: this.#count,
      words: this.#words.slice(0, 4 * this.#count),
      codes: this.#codes.slice(0, this.#count),
      placeOf: this.#placeOf.slice(0, this.#count),
      places: this.#places,
    };
  }

  #placeIndex(place: RangePlace): number {
    const key = `${place.provider} ${place.region} ${place.service} ${place.rank} ${place.inheritsRegion}`;
    let index = this.#known.get(key);
    if (index === undefined) {
      index = this.#places.length;
      if (index <= PLACES_MAX) {
        this.#known.set(key, index);
        this.#places.push(place);
      }
    }
    return index;
  }

  #grow(): void {
    const [words, codes, placeOf] = [this.#words, this.#codes, this.#placeOf];
    this.#words = new Uint32Array(2 * words.length);
    this.#codes = new Uint16Array(2 * codes.length);
    this.#placeOf = new Uint16Array(2 * placeOf.length);
    this.#words.set(words);
    this.#codes.set(codes);
    this.#placeOf.set(placeOf);
  }
}
