// goog.json minus cloud.json. A range of the first that lies in one of the second is left out; in what remains the ranges of the
// second are longer, and so decide by themselves wherever they are.
import { hostMask, IPV6 } from './address-words.ts';
import type { PrefixList } from './prefix-list.ts';

/** The ranges of `google` that are not inside of one of `cloud`. */
export function googleServices(google: PrefixList, cloud: PrefixList): PrefixList {
  const inCloud = new Set<string>();
  for (let i = 0; i < cloud.count; i++) inCloud.add(keyOf(cloud.words, i, cloud.codes[i]!));
  const kept: number[] = [];
  for (let i = 0; i < google.count; i++) if (!isInside(google, i, inCloud)) kept.push(i);
  return {
    count: kept.length,
    words: Uint32Array.from(kept.flatMap((i) => [...google.words.subarray(4 * i, 4 * i + 4)])),
    codes: Uint16Array.from(kept, (i) => google.codes[i]!),
    placeOf: Uint16Array.from(kept, (i) => google.placeOf[i]!),
    places: google.places,
  };
}

function isInside({ words, codes }: PrefixList, at: number, prefixes: ReadonlySet<string>): boolean {
  const family = codes[at]! & IPV6;
  for (let bits = codes[at]! - family; bits >= 0; bits--) {
    if (prefixes.has(keyOf(words, at, family + bits))) return true;
  }
  return false;
}

/** The prefix of this length, family with it, that the prefix at `at` lies in. */
function keyOf(words: Uint32Array, at: number, code: number): string {
  const count = code >= IPV6 ? 4 : 1;
  let key = `${code}`;
  for (let i = 0; i < count; i++) key += ` ${(words[4 * at + i]! & ~hostMask(code & (IPV6 - 1), i)) >>> 0}`;
  return key;
}
