// Addresses by prefix, without a walk over all of them: which known addresses lie in a prefix, and in which known prefixes an address
// lies. Prefixes and addresses are canonical text.
import ipaddr from 'ipaddr.js';
import { canonicalText, contains, type Ip, maskedNetwork, type Prefix, parsePrefix } from '../../document/address.ts';

/** Agents fold the inside of a cluster to these lengths and to shorter ones. */
const BUCKET_BITS = { ipv4: 24, ipv6: 64 } as const;

/** The prefix of an address or a prefix; undefined for other text. */
export function prefixOf(text: string): Prefix | undefined {
  const parsed = parsePrefix(text, true);
  return 'problem' in parsed ? undefined : parsed.value;
}

/** A set of addresses that tells those in a prefix. */
export class AddressSet {
  readonly #buckets = new Map<string, Set<string>>();

  add(address: string): void {
    const key = bucketKey(address);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, new Set([address]));
    else bucket.add(address);
  }

  delete(address: string): void {
    const key = bucketKey(address);
    const bucket = this.#buckets.get(key);
    if (bucket?.delete(address) && bucket.size === 0) this.#buckets.delete(key);
  }

  /** The addresses in a prefix. */
  *within(prefix: Prefix): Generator<string> {
    const bits = BUCKET_BITS[prefix.network.kind()];
    if (prefix.bits >= bits) {
      for (const address of this.#buckets.get(bucketKey(canonicalText(prefix.network))) ?? []) {
        if (contains(prefix, { network: ipaddr.parse(address), bits: BITS_MAX[prefix.network.kind()] })) yield address;
      }
      return;
    }
    for (const [key, bucket] of this.#buckets) {
      const network = prefixOf(key);
      if (network !== undefined && contains(prefix, network)) yield* bucket;
    }
  }
}

const BITS_MAX = { ipv4: 32, ipv6: 128 } as const;

function bucketKey(address: string): string {
  if (!address.includes(':')) return `${address.slice(0, address.lastIndexOf('.'))}.0/24`;
  return prefixText(ipaddr.parse(address), BUCKET_BITS.ipv6);
}

function prefixText(ip: Ip, bits: number): string {
  return `${canonicalText(maskedNetwork(ip, bits))}/${bits}`;
}

/** Lookups kept at most; outside addresses repeat from batch to batch, and there may be any number of them. */
const CACHE_ENTRIES_MAX = 100_000;

/** Lengths of prefixes that are known, so that an address needs to be looked up once for each length only. */
export class PrefixLengths {
  readonly #lengths = { ipv4: new Set<number>(), ipv6: new Set<number>() };
  readonly #candidates = new Map<string, readonly string[]>();

  add({ network, bits }: Prefix): void {
    const lengths = this.#lengths[network.kind()];
    if (lengths.has(bits)) return;
    lengths.add(bits);
    this.#candidates.clear();
  }

  /** Texts of the prefixes in which an address or prefix may lie, the longest first. */
  candidates(text: string): readonly string[] {
    let candidates = this.#candidates.get(text);
    if (candidates === undefined) {
      if (this.#candidates.size >= CACHE_ENTRIES_MAX) this.#candidates.clear();
      const prefix = prefixOf(text);
      candidates = prefix === undefined ? [] : this.#candidatesOf(prefix);
      this.#candidates.set(text, candidates);
    }
    return candidates;
  }

  #candidatesOf({ network, bits }: Prefix): string[] {
    return [...this.#lengths[network.kind()]]
      .filter((length) => length <= bits)
      .sort((a, b) => b - a)
      .map((length) => prefixText(network, length));
  }
}

/** The text of a prefix as others look it up; undefined for what is none. */
export function canonicalPrefix(text: string): { readonly text: string; readonly prefix: Prefix } | undefined {
  const [address = '', length] = text.split('/');
  const ip = prefixOf(address)?.network;
  const bits = Number(length);
  if (ip === undefined || length === undefined || !(bits >= 0 && bits <= BITS_MAX[ip.kind()])) return undefined;
  const network = maskedNetwork(ip, bits);
  return { text: `${canonicalText(network)}/${bits}`, prefix: { network, bits } };
}
