// Sets of address ranges, asked in the hot path with addresses as 32-bit words. "Inside" means: the cluster's own ranges or
// private ones; everything else is the outside.
import { isIP } from 'node:net';
import { AgentError } from '../errors.ts';

/** What is inside when nothing is configured: RFC 1918, RFC 6598, loopback, link-local, ULA (RFC 4193). */
export const PRIVATE_RANGES: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
  '::1/128',
];

/** Splits "10.0.0.0/8" into its parts; a plain address is a prefix of full length. */
export function parseRange(text: string): { address: string; family: 4 | 6; prefixLength: number } {
  const [address = '', lengthText, ...rest] = text.split('/');
  const family = isIP(address);
  const prefixLength = lengthText === undefined ? (family === 6 ? 128 : 32) : Number(lengthText);
  if (
    family === 0 ||
    rest.length > 0 ||
    lengthText === '' ||
    !Number.isInteger(prefixLength) ||
    prefixLength < 0 ||
    prefixLength > (family === 6 ? 128 : 32)
  ) {
    throw new AgentError('CONFIG_INVALID', `"${text}" is not an address range; write it like 10.0.0.0/8 or fd00::/8`);
  }
  return { address, family: family === 6 ? 6 : 4, prefixLength };
}

/** Bytes of an IP address in network order: 4 or 16. */
export function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.').map(Number));
  const bytes = new Uint8Array(16);
  let text = address.split('%')[0]!;
  const v4 = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (v4) {
    const [a, b, c, d] = v4[2]!.split('.').map(Number) as [number, number, number, number];
    text = `${v4[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const all = tail === undefined ? first : [...first, ...Array(8 - first.length - last.length).fill(0), ...last];
  all.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

interface V4Range {
  readonly network: number;
  readonly mask: number;
}

interface V6Range {
  readonly network: Int32Array;
  readonly mask: Int32Array;
}

/** Mask of a prefix as four words in memory order (network bytes loaded little-endian). */
export function maskWords(prefixLength: number, addressByteCount: 4 | 16): Int32Array {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < addressByteCount; i++) {
    const bits = Math.max(0, Math.min(8, prefixLength - 8 * i));
    bytes[i] = (0xff00 >> bits) & 0xff;
  }
  return new Int32Array(bytes.buffer);
}

/** A set of ranges of both families. */
export class AddressRanges {
  readonly #v4: V4Range[] = [];
  readonly #v6: V6Range[] = [];

  /** @throws AgentError CONFIG_INVALID naming the range that is none */
  constructor(ranges: readonly string[]) {
    for (const text of ranges) {
      const { address, family, prefixLength } = parseRange(text);
      const bytes = new Uint8Array(16);
      bytes.set(addressBytes(address));
      const words = new Int32Array(bytes.buffer);
      const mask = maskWords(prefixLength, family === 6 ? 16 : 4);
      const network = words.map((word, i) => word & mask[i]!);
      if (family === 4) this.#v4.push({ network: network[0]!, mask: mask[0]! });
      else this.#v6.push({ network, mask });
    }
  }

  containsV4(word: number): boolean {
    for (const range of this.#v4) if ((word & range.mask) === range.network) return true;
    return false;
  }

  containsV6(w0: number, w1: number, w2: number, w3: number): boolean {
    for (const { network, mask } of this.#v6) {
      if (
        (w0 & mask[0]!) === network[0] &&
        (w1 & mask[1]!) === network[1] &&
        (w2 & mask[2]!) === network[2] &&
        (w3 & mask[3]!) === network[3]
      ) {
        return true;
      }
    }
    return false;
  }
}
