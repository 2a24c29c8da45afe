// Which interval an address lies in. Addresses are compared as few numbers as can be: one for IPv4; for IPv6 the first 53 bits, which
// a double holds exactly, and the others only among intervals that have these in common. A map finds
// those that have the first 32 bits in common, of which there are a few hundred.
import type { Intervals } from './flatten.ts';

/** High bits of an IPv4 address that the index answers at once: 256 KiB, and a few steps of search instead of 17. */
const INDEX_BITS = 16;

/** Finds the interval of an IPv4 address. */
export function searchIpv4({ starts }: Intervals): (address: number) => number {
  const index = indexOf(starts);
  return (address) => {
    const bucket = address >>> (32 - INDEX_BITS);
    let low = index[bucket]!;
    let high = index[bucket + 1]!;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= address) low = middle;
      else high = middle - 1;
    }
    return low;
  };
}

/** Of each value of the high bits the interval that holds its first address; at the end the last interval. */
function indexOf(starts: Uint32Array): Uint32Array {
  const index = new Uint32Array(2 ** INDEX_BITS + 1);
  let at = 0;
  for (let bucket = 0; bucket < 2 ** INDEX_BITS; bucket++) {
    const first = bucket * 2 ** (32 - INDEX_BITS);
    while (at + 1 < starts.length && starts[at + 1]! <= first) at++;
    index[bucket] = at;
  }
  index[2 ** INDEX_BITS] = starts.length - 1;
  return index;
}

/** Finds the interval of an IPv6 address, given as four words. */
export function searchIpv6({ starts, placeOf }: Intervals): (words: Uint32Array) => number {
  const count = placeOf.length;
  /** Different first 53 bits, ascending, and the first interval that begins with each; one more at the end. */
  const heads = new Float64Array(count);
  const firstOf = new Uint32Array(count + 1);
  /** The 43 bits after these, and the last 32, of the beginning of each interval. */
  const middles = new Float64Array(count);
  const lasts = new Uint32Array(count);
  let headCount = 0;
  for (let i = 0; i < count; i++) {
    const head = headOf(starts[4 * i]!, starts[4 * i + 1]!);
    if (i === 0 || head !== heads[headCount - 1]) {
      heads[headCount] = head;
      firstOf[headCount++] = i;
    }
    middles[i] = middleOf(starts[4 * i + 1]!, starts[4 * i + 2]!);
    lasts[i] = starts[4 * i + 3]!;
  }
  firstOf[headCount] = count;
  const groups = groupsOf(heads.subarray(0, headCount));

  return (words) => {
    const head = headOf(words[0]!, words[1]!);
    const group = groups.numbers.get(words[0]!);
    // The one before the group holds what is before the first of it.
    let low = group === undefined ? 0 : Math.max(0, groups.firsts[group]! - 1);
    let high = group === undefined ? headCount - 1 : groups.firsts[group + 1]! - 1;
    while (low < high) {
      const at = (low + high + 1) >>> 1;
      if (heads[at]! <= head) low = at;
      else high = at - 1;
    }
    if (heads[low]! < head) return firstOf[low + 1]! - 1;
    const middle = middleOf(words[1]!, words[2]!);
    const last = words[3]!;
    // The interval before them holds what is before the first of those that begin alike.
    high = firstOf[low + 1]! - 1;
    low = firstOf[low]! - 1;
    while (low < high) {
      const at = (low + high + 1) >>> 1;
      const start = middles[at]!;
      if (start < middle || (start === middle && lasts[at]! <= last)) low = at;
      else high = at - 1;
    }
    return low;
  };
}

/** Heads that have the first word in common: a number of each such word, and where its heads begin; one more at the end. */
function groupsOf(heads: Float64Array) {
  const numbers = new Map<number, number>();
  const firsts: number[] = [];
  for (const [i, head] of heads.entries()) {
    const word = Math.floor(head / 2 ** 21);
    if (!numbers.has(word)) numbers.set(word, firsts.push(i) - 1);
  }
  firsts.push(heads.length);
  return { numbers, firsts: Uint32Array.from(firsts) };
}

function headOf(first: number, second: number): number {
  return first * 2 ** 21 + (second >>> 11);
}

function middleOf(second: number, third: number): number {
  return (second & 0x7ff) * 2 ** 32 + third;
}
