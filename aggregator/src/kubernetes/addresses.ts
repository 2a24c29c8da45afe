// Addresses as Kubernetes says them → canonical text. Kubernetes takes IPv6 in any spelling, and objects from before its
// version 1.36 may have IPv4 with leading zeros, which it reads as decimal. Knows text alone.
import ipaddr from 'ipaddr.js';

/** Dotted decimal, or RFC 5952; undefined for what is no address. */
export function canonicalAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text.includes(':')) {
    return !text.includes('%') && ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text).toRFC5952String() : undefined;
  }
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return text;
  }
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    return undefined;
  }
  const bytes = text.split('.').map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes.join('.') : undefined;
}

/** Those of `texts` that are addresses, canonical, each once, in their order. */
export function canonicalAddresses(texts: readonly (string | undefined)[]): string[] {
  const addresses: string[] = [];
  for (const text of texts) {
    const address = canonicalAddress(text);
    if (address !== undefined && !addresses.includes(address)) addresses.push(address);
  }
  return addresses;
}
