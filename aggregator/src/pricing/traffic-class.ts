// Where the two sides of a row are to each other. Reads only what the row says; the price follows from the class and the
// places (pricer.ts).
import ipaddr from 'ipaddr.js';
import type { FlowRow, TrafficClass } from '../model/flow-row.ts';
import type { PriceBook } from './price-book.ts';

/** Traffic of one protocol between two nodes that carries traffic counted elsewhere. */
export interface Tunnels {
  /** Protocol words of column `protocol` that are tunnels whatever the port. */
  readonly protocols: readonly string[];
  /** Responder ports of UDP tunnels. */
  readonly udpPorts: readonly number[];
}

/** Tunnels of the common network plugins. */
export const DEFAULT_TUNNELS: Tunnels = {
  protocols: ['ipv4', 'ipv6', 'esp'],
  // VXLAN on Linux and by IANA, Geneve, WireGuard, Calico's WireGuard for IPv6, Cilium's WireGuard.
  udpPorts: [8472, 4789, 6081, 51820, 51821, 51871],
};

export interface ClassifierOptions {
  /** Default: DEFAULT_TUNNELS. */
  readonly tunnels?: Tunnels;
  /** Whether the cluster uses an address as a private one although it looks public. Default: no. */
  readonly inClusterRanges?: (address: string) => boolean;
  /** Price books: where one has a rate for `same-region`, an unknown zone makes no difference to the price. */
  readonly books?: readonly PriceBook[];
}

/** Sets `trafficClass` of a row, from its places, its kinds and, for tunnels, its protocol and port. */
export type Classify = (row: FlowRow) => void;

export function createClassifier(options: ClassifierOptions = {}): Classify {
  const isTunnel = createIsTunnel(options.tunnels ?? DEFAULT_TUNNELS);
  const isPublicIpv4 = createIsPublicIpv4(options.inClusterRanges ?? (() => false));
  const zoneIndifferent = new Set(
    (options.books ?? [])
      .filter((book) => book.rates.some((rate) => rate.class === 'same-region'))
      .map((b) => b.provider),
  );

  function classOf(row: FlowRow): TrafficClass {
    if (row.lossReason !== null) {
      return 'lost';
    }
    if (row.localKind === 'node' && row.peerKind === 'node' && isTunnel(row)) {
      return 'encapsulation';
    }
    if (row.peerNode !== null && row.peerNode === row.node && row.peerCluster === row.cluster) {
      return 'same-node';
    }
    if (row.peerKind === 'internet' && row.peerRegion === null && row.peerProvider === null) {
      return 'internet';
    }
    // One side with a provider and one without cannot be compared; two without are a place that no cloud bills.
    if ((row.provider === null) !== (row.peerProvider === null)) {
      return 'unknown';
    }
    if (row.provider !== row.peerProvider) {
      return 'other-provider';
    }
    if (row.region === null || row.peerRegion === null) {
      return 'unknown';
    }
    return row.region === row.peerRegion ? classInRegion(row) : 'cross-region';
  }

  function classInRegion(row: FlowRow): TrafficClass {
    if (isPublicIpv4(row.peerIp) || isPublicIpv4(row.ip)) {
      return 'same-region-public';
    }
    if (row.zone !== null && row.peerZone !== null) {
      return row.zone === row.peerZone ? 'same-zone' : 'cross-zone';
    }
    return row.provider !== null && zoneIndifferent.has(row.provider) ? 'same-region' : 'unknown';
  }

  return (row) => {
    row.trafficClass = classOf(row);
  };
}

function createIsTunnel(tunnels: Tunnels): (row: FlowRow) => boolean {
  const protocols = new Set(tunnels.protocols);
  const udpPorts = new Set(tunnels.udpPorts);
  return ({ protocol, port }) =>
    protocol !== null && (protocols.has(protocol) || (protocol === 'udp' && port !== null && udpPorts.has(port)));
}

const PRIVATE_IPV4 = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3', // multicast, and the reserved block that clouds let clusters use for pods
].map((range) => ipaddr.IPv4.parseCIDR(range));

/** Answers kept at most. */
const CACHE_ENTRIES_MAX = 100_000;

/** Inside one region the clouds bill public IPv4 addresses differently; IPv6 addresses are billed like private ones. */
function createIsPublicIpv4(inClusterRanges: (address: string) => boolean): (ip: string | null) => boolean {
  const answers = new Map<string, boolean>();

  /** By its bits alone: these answers stay. */
  function looksPublic(text: string): boolean {
    const address = text.split('/')[0]!;
    if (!ipaddr.IPv4.isValidFourPartDecimal(address)) {
      return false;
    }
    const ip = ipaddr.IPv4.parse(address);
    return !PRIVATE_IPV4.some((range) => ip.match(range));
  }

  return (ip) => {
    if (ip === null) {
      return false;
    }
    let answer = answers.get(ip);
    if (answer === undefined) {
      if (answers.size >= CACHE_ENTRIES_MAX) {
        answers.clear();
      }
      answer = looksPublic(ip);
      answers.set(ip, answer);
    }
    // The cluster's ranges are those of its nodes, which come and go.
    return answer && !inClusterRanges(ip);
  };
}
