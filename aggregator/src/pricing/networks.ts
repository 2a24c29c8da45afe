// Which configured network an address is in, and those networks as names and places for addresses that nobody else knows.
import { contains, type Prefix, parsePrefix } from '../document/address.ts';
import type { AddressOwner, Topology, TopologySource } from '../model/topology.ts';
import type { NetworkEntry } from './config/format.ts';

/** Answers kept; outside addresses repeat from batch to batch, and there may be any number of them. */
const CACHE_ENTRIES_MAX = 50_000;

/** Prefixes of things; the longest one that holds an address wins. */
export class PrefixMap<T> {
  readonly #entries: { readonly prefix: Prefix; readonly value: T }[];
  readonly #found = new Map<string, T | undefined>();

  constructor(entries: Iterable<{ readonly ranges: readonly string[]; readonly value: T }>) {
    this.#entries = [...entries]
      .flatMap(({ ranges, value }) => ranges.map((range) => ({ prefix: prefixOf(range)!, value })))
      .sort((a, b) => b.prefix.bits - a.prefix.bits);
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Of an address or a prefix that lies in one as a whole. */
  get(address: string): T | undefined {
    if (this.#entries.length === 0) return undefined;
    if (this.#found.has(address)) return this.#found.get(address);
    const prefix = prefixOf(address);
    const found = prefix && this.#entries.find((entry) => contains(entry.prefix, prefix))?.value;
    if (this.#found.size >= CACHE_ENTRIES_MAX) this.#found.clear();
    this.#found.set(address, found);
    return found;
  }
}

function prefixOf(text: string): Prefix | undefined {
  const parsed = parsePrefix(text, true);
  return 'problem' in parsed ? undefined : parsed.value;
}

/** Networks by address. */
export function networkMap(networks: readonly NetworkEntry[]): PrefixMap<NetworkEntry> {
  return new PrefixMap(networks.map((value) => ({ ranges: value.ranges, value })));
}

/** A topology in which the addresses of configured networks have the network's name and place, unless something else is known of them. */
export function withNetworks(source: TopologySource, networks: readonly NetworkEntry[]): TopologySource {
  if (networks.length === 0) return source;
  const owners = new PrefixMap(networks.map((network) => ({ ranges: network.ranges, value: ownerOf(network) })));
  let made: { readonly of: Topology; readonly joined: Topology } | undefined;
  return {
    snapshot() {
      const of = source.snapshot();
      if (made?.of !== of) made = { of, joined: join(of, owners) };
      return made.joined;
    },
  };
}

function ownerOf(network: NetworkEntry): AddressOwner {
  const { name, provider = null, region = null, zone = null, zoneId = null } = network;
  return { identity: { kind: 'external', name, provider, region, zone, zoneId }, certainty: 'exact' };
}

function join(own: Topology, owners: PrefixMap<AddressOwner>): Topology {
  return {
    ...(own.isTimeless !== undefined && { isTimeless: own.isTimeless }),
    lookupNode: (name) => own.lookupNode(name),
    lookupAddress: (address, startUs, endUs) => own.lookupAddress(address, startUs, endUs) ?? owners.get(address),
    lookupPrefix: (prefix, startUs, endUs) => own.lookupPrefix(prefix, startUs, endUs),
    lookupNodePort: (port, protocol, address, startUs, endUs) =>
      own.lookupNodePort(port, protocol, address, startUs, endUs),
    inClusterRanges: (address) => own.inClusterRanges(address),
  };
}
