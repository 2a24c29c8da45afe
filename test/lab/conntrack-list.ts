// Reads `conntrack -L -o extended`: what a node's own kernel counted, for checks of the laboratory itself. Never used to
// judge the product: its figures come from the namespace that the agent reads.
import type { Protocol } from './counters.ts';

/** All entries of one reduced key, added up. */
export interface EntrySum {
  readonly initiator: string;
  /** After destination translation. */
  readonly responder: string;
  readonly protocol: Protocol;
  /** The responder's port; 0 for echo. */
  readonly port: number;
  readonly conntrackZone: number;
  initiatorBytes: number;
  initiatorPackets: number;
  responderBytes: number;
  responderPackets: number;
  entries: number;
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  tcp: 'tcp',
  udp: 'udp',
  sctp: 'sctp',
  icmp: 'icmp',
  icmpv6: 'ipv6-icmp',
};

/** Sums the entries of a listing by reduced key and conntrack zone. */
export function listEntries(listing: string): EntrySum[] {
  const sums = new Map<string, EntrySum>();
  for (const line of listing.split('\n')) {
    const protocol = PROTOCOLS[line.split(/\s+/)[2] ?? ''];
    if (protocol === undefined) continue;
    // The first of each word belongs to the original direction, the second to the reply.
    const all = (word: string): string[] => [...line.matchAll(new RegExp(`\\b${word}=(\\S+)`, 'g'))].map((m) => m[1]!);
    const bytes = all('bytes').map(Number);
    const packets = all('packets').map(Number);
    const key = {
      initiator: canonical(all('src')[0]!),
      responder: canonical(all('src')[1]!),
      protocol,
      port: Number(all('sport')[1] ?? 0),
      conntrackZone: Number(all('zone')[0] ?? 0),
    };
    const id = Object.values(key).join(' ');
    const none = { initiatorBytes: 0, initiatorPackets: 0, responderBytes: 0, responderPackets: 0, entries: 0 };
    const sum = sums.get(id) ?? { ...key, ...none };
    sums.set(id, sum);
    sum.initiatorBytes += bytes[0] ?? Number.NaN;
    sum.initiatorPackets += packets[0] ?? Number.NaN;
    sum.responderBytes += bytes[1] ?? Number.NaN;
    sum.responderPackets += packets[1] ?? Number.NaN;
    sum.entries++;
  }
  return [...sums.values()];
}

/** conntrack writes IPv6 addresses in full or short form, depending on its version. */
function canonical(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}
