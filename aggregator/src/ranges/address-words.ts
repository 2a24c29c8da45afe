// Text of an address or prefix → 32-bit words. By hand and without allocating: it runs for every public address of every batch,
// and for 100,000 prefixes at a refresh. Knows no ranges.
import { readIpv4 } from '../model/ipv4-number.ts';

/** Added to the prefix length of what is IPv6. */
export const IPV6 = 256;
/** What is no address. */
export const NO_ADDRESS = -1;

const SLASH = 47;
const COLON = 58;
const DOT = 46;
const ZERO = 48;
/** Value of each character that is a hexadecimal digit, -1 of the others. */
const HEX_DIGITS = Int8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? -1 : value;
});

/**
 * Reads an address, or with "/length" appended a prefix: its words, most significant first, into `words` (one for IPv4, four for
 * IPv6). Returns the prefix length, that of a whole address where there is none, with IPV6 added for that family; NO_ADDRESS for
 * everything else, then `words` holds nothing of use. Bits after the prefix length are not looked at.
 */
export function readAddress(text: string, words: Uint32Array): number {
  const slash = slashOf(text);
  const end = slash === -1 ? text.length : slash;
  // Most IPv6 addresses begin with four digits.
  const ipv4 = text.charCodeAt(4) === COLON ? -1 : readIpv4(text, 0, end);
  if (ipv4 !== -1) {
    words[0] = ipv4;
    return slash === -1 ? 32 : readLength(text, slash + 1, 32);
  }
  if (!readIpv6(text, end, words)) return NO_ADDRESS;
  if (slash === -1) return IPV6 + 128;
  const bits = readLength(text, slash + 1, 128);
  return bits === NO_ADDRESS ? NO_ADDRESS : IPV6 + bits;
}

/** Whether bits are set behind the prefix length that `readAddress` returned. */
export function hasHostBits(code: number, words: Uint32Array): boolean {
  const count = code >= IPV6 ? 4 : 1;
  const bits = code & (IPV6 - 1);
  for (let i = 0; i < count; i++) if ((words[i]! & hostMask(bits, i)) !== 0) return true;
  return false;
}

/** The bits of word `index` that lie behind a prefix of `bits` bits. */
export function hostMask(bits: number, index: number): number {
  const kept = bits - 32 * index;
  if (kept >= 32) return 0;
  return kept <= 0 ? 0xffffffff : 0xffffffff >>> kept;
}

/** Where the "/" of a prefix is: it has one to three characters after it. -1 if nowhere. */
function slashOf(text: string): number {
  const last = text.length - 1;
  for (let i = last; i >= last - 3 && i >= 0; i--) if (text.charCodeAt(i) === SLASH) return i;
  return -1;
}

/** A prefix length up to `most` that ends the text, without leading zeros. */
function readLength(text: string, start: number, most: number): number {
  const { length } = text;
  if (start === length || (length > start + 1 && text.charCodeAt(start) === ZERO)) return NO_ADDRESS;
  let value = 0;
  for (let i = start; i < length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit > 9) return NO_ADDRESS;
    value = value * 10 + digit;
  }
  return value <= most ? value : NO_ADDRESS;
}

const GROUPS = new Int32Array(8);

/** Eight groups of up to four hexadecimal digits, a run of them as "::", the last two perhaps as an IPv4 address. No zone. */
function readIpv6(text: string, end: number, words: Uint32Array): boolean {
  let count = 0;
  let gap = -1;
  let group = 0;
  let digits = 0;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === COLON) {
      if (digits > 0) {
        if (count === 8) return false;
        GROUPS[count++] = group;
        group = 0;
        digits = 0;
        continue;
      }
      // The second of two, or the first of the text, which then has another behind it.
      if (gap !== -1 || (i === 0 && text.charCodeAt(++i) !== COLON)) return false;
      gap = count;
      continue;
    }
    if (code === DOT) {
      const tail = readIpv4(text, i - digits, end);
      if (tail === -1 || count > 6) return false;
      GROUPS[count++] = tail >>> 16;
      group = tail & 0xffff;
      break;
    }
    const digit = code < HEX_DIGITS.length ? HEX_DIGITS[code]! : -1;
    if (digit === -1 || ++digits > 4) return false;
    group = (group << 4) | digit;
  }
  if (digits > 0) {
    if (count === 8) return false;
    GROUPS[count++] = group;
  } else if (gap !== count) {
    return false;
  }
  if (gap === -1 ? count !== 8 : count === 8) return false;
  if (gap !== -1) widenGap(gap, count);
  for (let word = 0; word < 4; word++) words[word] = (GROUPS[2 * word]! << 16) | GROUPS[2 * word + 1]!;
  return true;
}

/** Moves the groups after "::" to the end, zeros before them. */
function widenGap(gap: number, count: number): void {
  const moved = count - gap;
  for (let i = 1; i <= moved; i++) GROUPS[8 - i] = GROUPS[count - i]!;
  for (let i = gap; i < 8 - moved; i++) GROUPS[i] = 0;
}
