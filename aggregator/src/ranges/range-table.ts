// The lookup: all prefixes of all documents, flattened to intervals that do not overlap, in typed arrays, each with the place that
// holds in it. Nested prefixes cost nothing when they are looked up. Immutable: a refresh makes a new one.
import type { AddressPlace } from '../model/address-place.ts';
import { hostMask, IPV6, NO_ADDRESS, readAddress } from './address-words.ts';
import { flattenPrefixes, PlaceNumbers } from './flatten.ts';
import { searchIpv4, searchIpv6 } from './interval-search.ts';
import type { PrefixList } from './prefix-list.ts';

/** Place of each address that a provider names. */
export interface RangeTable {
  lookup(address: string): AddressPlace | undefined;
  /** Intervals kept, of both families. */
  readonly intervals: number;
}

/** Makes the table. The order of the lists decides nothing. Throws RANGES_INVALID where they have more places than numbers are there. */
export function createRangeTable(lists: readonly PrefixList[]): RangeTable {
  const numbers = new PlaceNumbers();
  const ipv4 = flattenPrefixes(lists, 1, numbers);
  const ipv6 = flattenPrefixes(lists, 4, numbers);
  const findIpv4 = searchIpv4(ipv4);
  const findIpv6 = searchIpv6(ipv6);
  const places: readonly (AddressPlace | undefined)[] = numbers.places;
  /** Of the address that is looked up. */
  const words = new Uint32Array(4);

  function lookupIpv4(address: number, bits: number): AddressPlace | undefined {
    const at = findIpv4(address);
    if (bits < 32 && findIpv4((address | hostMask(bits, 0)) >>> 0) !== at) return undefined;
    return places[ipv4.placeOf[at]!];
  }

  function lookupIpv6(bits: number): AddressPlace | undefined {
    const at = findIpv6(words);
    if (bits < 128) {
      for (let i = 0; i < 4; i++) words[i] = (words[i]! | hostMask(bits, i)) >>> 0;
      if (findIpv6(words) !== at) return undefined;
    }
    return places[ipv6.placeOf[at]!];
  }

  return {
    intervals: ipv4.placeOf.length + ipv6.placeOf.length,
    lookup(address) {
      const code = readAddress(address, words);
      if (code === NO_ADDRESS) return undefined;
      if (code < IPV6) return lookupIpv4(words[0]!, code);
      const bits = code - IPV6;
      return bits >= 96 && embedsIpv4(words) ? lookupIpv4(words[3]!, bits - 96) : lookupIpv6(bits);
    },
  };
}

/** IPv4-mapped addresses (::ffff:0:0/96) and NAT64 (64:ff9b::/96): the IPv4 address in them is where bytes go. */
function embedsIpv4(words: Uint32Array): boolean {
  if (words[1] !== 0) return false;
  return words[0] === 0 ? words[2] === 0xffff : words[0] === 0x0064ff9b && words[2] === 0;
}
