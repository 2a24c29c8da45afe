// The ranges that nodes give addresses to pods from. What is in one and no pod's is on its node nevertheless: its bridge, the end of
// a tunnel, or a pod that has not been heard of.

import ipaddr from 'ipaddr.js';
import { canonicalText, type Ip, type Prefix } from '../../document/address.ts';
import type { NodeObject } from '../../model/cluster-objects.ts';
import type { AddressOwner, NodeIdentity } from '../../model/topology.ts';
import { AddressHistory, type HistoryRules } from './address-history.ts';
import type { NodeHolder } from './nodes.ts';
import { canonicalPrefix, PrefixLengths, prefixOf } from './prefixes.ts';

export class PodRanges {
  /** By the range's text. */
  readonly #history: AddressHistory;
  readonly #lengths = new PrefixLengths();

  constructor(rules: Omit<HistoryRules, 'isExclusive'>) {
    this.#history = new AddressHistory({ ...rules, isExclusive: true });
  }

  put(holder: NodeHolder, { podCidrs }: NodeObject, fromUs: number, atUs: number): void {
    const ranges = podCidrs.map(canonicalPrefix).filter((range) => range !== undefined);
    for (const { prefix } of ranges) this.#lengths.add(prefix);
    this.#history.hold(holder, holder.ranges, [...new Set(ranges.map(({ text }) => text))], fromUs, atUs);
  }

  remove(holder: NodeHolder, atUs: number): void {
    this.#history.release(holder, holder.ranges, atUs);
  }

  expire(nowUs: number): void {
    this.#history.expire(nowUs);
  }

  /** Whether the address or prefix lies in the range of any node, now or not long ago. */
  includes(text: string): boolean {
    return this.#lengths.candidates(text).some((range) => this.#history.has(range));
  }

  /**
   * The node in whose range an address lies that no pod holds. Bridges have the first address of the range, and VXLAN devices the
   * one before it: these are the node's for certain.
   */
  lookupAddress(address: string, startUs: number, endUs: number): AddressOwner | undefined {
    for (const range of this.#lengths.candidates(address)) {
      const owner = this.#history.lookup(range, startUs, endUs);
      if (owner === undefined) continue;
      return owner.certainty === 'exact' && !isBeginOf(range, address)
        ? { identity: owner.identity, certainty: 'ambiguous' }
        : owner;
    }
    return undefined;
  }

  /** The node in whose range a prefix lies. */
  lookupPrefix(prefix: string, startUs: number, endUs: number): NodeIdentity | undefined {
    for (const range of this.#lengths.candidates(prefix)) {
      const identity = this.#history.lookup(range, startUs, endUs)?.identity;
      if (identity?.kind === 'node') return identity;
    }
    return undefined;
  }
}

/** Whether this is the address of the range itself, or the first in it. */
function isBeginOf(range: string, address: string): boolean {
  const prefix = prefixOf(range);
  if (prefix === undefined || prefix.bits > BITS_OF_PLACES[prefix.network.kind()]) return false;
  return address === canonicalText(prefix.network) || address === canonicalText(successor(prefix));
}

/** Ranges that are longer have no room for a bridge. */
const BITS_OF_PLACES = { ipv4: 30, ipv6: 126 } as const;

function successor({ network }: Prefix): Ip {
  const bytes = network.toByteArray();
  bytes[bytes.length - 1]! |= 1;
  return ipaddr.fromByteArray(bytes);
}
