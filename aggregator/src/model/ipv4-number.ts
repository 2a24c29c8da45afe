// Text of an IPv4 address → its 32 bits. By hand and without allocating: it runs for the addresses of every batch.

const DOT = 46;
const ZERO = 48;

/** What stands from `start` to `end`: four decimal numbers without leading zeros, as a number from 0 to 2^32 - 1; -1 for anything else. */
export function readIpv4(text: string, start = 0, end = text.length): number {
  let address = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return -1;
      address = address * 256 + part;
      part = 0;
      digits = 0;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || (digits > 0 && part === 0)) return -1;
    part = part * 10 + digit;
    if (part > 255) return -1;
    digits++;
  }
  return dots === 3 && digits > 0 ? address * 256 + part : -1;
}
