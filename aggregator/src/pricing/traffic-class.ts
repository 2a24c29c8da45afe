// Where the two sides of a row are to each other. Reads only what the row says; the price follows from the class and the
// places (pricer.ts).
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

const NO_ADDRESS = -1;

/** First address and number of addresses of each block that is never a public one. */
const PRIVATE_IPV4 = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3', // multicast, and the reserved block that clouds let clusters use for pods
].map((range) => {
  const [network = '', bits] = range.split('/');
  return { first: ipv4Number(network), count: 2 ** (32 - Number(bits)) };
});

/** Inside one region the clouds bill public IPv4 addresses differently; IPv6 addresses are billed like private ones. */
function createIsPublicIpv4(inClusterRanges: (address: string) => boolean): (ip: string | null) => boolean {
  return (ip) => {
    const address = ip === null ? NO_ADDRESS : ipv4Number(ip);
    return (
      address !== NO_ADDRESS &&
      !PRIVATE_IPV4.some(({ first, count }) => address >= first && address < first + count) &&
      !inClusterRanges(ip!)
    );
  };
}

/** The 32 bits of dotted decimal text, or of that before a "/"; NO_ADDRESS for anything else. Runs twice a row, hence by hand. */
function ipv4Number(text: string): number {
  let number = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) {
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return NO_ADDRESS;
    } else if (text[i] === '.' && octet >= 0) {
      number = number * 256 + octet;
      octet = -1;
      dots++;
    } else if (text[i] === '/') {
      break;
    } else {
      return NO_ADDRESS;
    }
  }
  return dots === 3 && octet >= 0 ? number * 256 + octet : NO_ADDRESS;
}
