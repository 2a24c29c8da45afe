// Text of addresses and prefixes in files that people write → canonical text, or what is wrong with it. Stricter than
// ipaddr.js, which takes "10.1" and "0x7f.1" for addresses.
import ipaddr from 'ipaddr.js';

/** An address of either family. */
export type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** A prefix: network address and length in bits. */
export interface Prefix {
  readonly network: Ip;
  readonly bits: number;
}

/** Either a value or a problem for the operator to read. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** Canonical text: dotted decimal, or RFC 5952. */
export function canonicalText(ip: Ip): string {
  return ip.kind() === 'ipv6' ? (ip as ipaddr.IPv6).toRFC5952String() : ip.toString();
}

function parseIp(text: string): Ip | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return ipaddr.IPv4.parse(text);
  }
  if (text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text)) {
    return ipaddr.IPv6.parse(text);
  }
  return undefined;
}

/** One address that other machines can send to. */
export function parseAddress(text: string): Parsed<Ip> {
  if (text.includes('/')) {
    return { problem: `"${text}" is a prefix; give a single address` };
  }
  const ip = parseIp(text);
  if (ip === undefined) {
    return { problem: `"${text}" is not an IPv4 or IPv6 address; write it like 10.244.1.2 or fd00:244:1::2` };
  }
  const range = ip.range();
  if (range === 'loopback' || range === 'unspecified' || range === 'multicast' || range === 'broadcast') {
    return { problem: `${text} is a ${range} address, which nobody owns; remove it` };
  }
  return { value: ip };
}

/** A prefix whose host bits are zero; a single address counts as the longest prefix if `allowAddress`. */
export function parsePrefix(text: string, allowAddress: boolean): Parsed<Prefix> {
  const example = 'write it like 10.244.0.0/16 or fd00:244::/32';
  const [address = '', length, ...rest] = text.split('/');
  const network = parseIp(address);
  if (network === undefined || rest.length > 0) {
    return { problem: `"${text}" is not a prefix; ${example}` };
  }
  const bitsMax = network.kind() === 'ipv4' ? 32 : 128;
  if (length === undefined) {
    return allowAddress
      ? { value: { network, bits: bitsMax } }
      : { problem: `"${text}" has no prefix length; ${example}` };
  }
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(bits >= 0 && bits <= bitsMax)) {
    return { problem: `"${text}" has a prefix length outside 0 to ${bitsMax}; ${example}` };
  }
  const masked = maskedNetwork(network, bits);
  if (canonicalText(masked) !== canonicalText(network)) {
    return {
      problem: `"${text}" has bits set after its prefix length; did you mean ${canonicalText(masked)}/${bits}?`,
    };
  }
  return { value: { network, bits } };
}

/** Whether `inner` lies in `outer`. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  return (
    outer.network.kind() === inner.network.kind() &&
    outer.bits <= inner.bits &&
    inner.network.match(outer.network as ipaddr.IPv4 & ipaddr.IPv6, outer.bits)
  );
}

/** Text whose order is that of the addresses of one family; those of the two families lie apart. */
export function sortableText(ip: Ip): string {
  return `${ip.kind()} ${Buffer.from(ip.toByteArray()).toString('hex')}`;
}

/** `sortableText` of the first and the last address of a prefix. */
export function sortableRange({ network, bits }: Prefix): { readonly first: string; readonly last: string } {
  const last = network.toByteArray().map((byte, index) => byte | hostMask(bits, index));
  return { first: sortableText(network), last: sortableText(ipaddr.fromByteArray(last)) };
}

/** The address with all bits after the first `bits` zero. */
export function maskedNetwork(ip: Ip, bits: number): Ip {
  return ipaddr.fromByteArray(ip.toByteArray().map((byte, index) => byte & ~hostMask(bits, index)));
}

/** The bits of byte `index` that lie behind a prefix of `bits` bits. */
function hostMask(bits: number, index: number): number {
  return 0xff >> Math.min(Math.max(bits - index * 8, 0), 8);
}
