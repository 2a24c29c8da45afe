// What the nodes of a modelled cluster see, window by window, from the model's seed: pods that keep to a few workloads of
// Zipf popularity, mostly through services; name lookups; probes of the kubelet; the outside in both directions. A link stays
// from window to window, its traffic varies. Both nodes of a link report it, as two agents would.
import type { WindowFlows } from '@flowtoll/agent/flow/window-flows.ts';
import { createRandom, type Random } from '../../lab/random.ts';
import type { ClusterModel } from './cluster-model.ts';

export interface TrafficSize {
  /** Outside addresses that anybody talks to. */
  readonly outsideAddresses: number;
  /** Flows of a node and window, about. */
  readonly flowsPerNode: number;
  /** Only these nodes are asked for; others cost nothing. Default: all. */
  readonly nodes?: number;
}

/** Of a node's flows; the rest is between pods of the cluster. */
const OUTBOUND_SHARE = 0.15;
const INBOUND_SHARE = 0.05;
/** Links of which a window shows traffic. */
const ACTIVE_SHARE = 0.7;
/** Links drawn for one that is left: some are drawn twice. */
const DRAWN_TWICE = 1.25;
const PEER_EXPONENT = 1;
const OUTSIDE_EXPONENT = 0.9;
const PEERS_OF_A_WORKLOAD = 15;
const OUTSIDE_OF_A_WORKLOAD = 100;
const PROBE_PORT = 8080;
const DNS_PORT = 53;
const DNS_WORKLOAD = 0;
const TCP = 6;
const UDP = 17;

const MINUTE_US = 60_000_000;

/** Addresses, 1 + nothing where 0, and what one window carries on average. */
interface Link {
  readonly initiator: number;
  /** Bits of the initiator's prefix. */
  readonly initiatorBits: number;
  readonly responder: number;
  /** The service asked for; 0 if none, or not seen from here. */
  readonly service: number;
  readonly port: number;
  readonly protocol: number;
  /** Packets of the initiator in an average window, and bytes a packet of each side. */
  readonly packets: number;
  readonly sent: number;
  readonly answered: number;
}

export class ClusterTraffic {
  readonly #random: Random;
  /** Links that each node sees. */
  readonly #links: Link[][];

  constructor(model: ClusterModel, size: TrafficSize) {
    this.#random = createRandom(model.size.seed + 1);
    const nodes = size.nodes ?? model.nodes.length;
    this.#links = Array.from({ length: nodes }, () => []);
    this.#link(model, size);
  }

  /** What node `node` reports of the minute that begins at `startUs`. */
  window(node: number, startUs: number): WindowFlows {
    const random = this.#random;
    const flows = this.#links[node]!.filter(() => random.chance(ACTIVE_SHARE));
    const count = flows.length;
    const addresses = new AddressList();
    const columns = {
      initiator: new Uint32Array(count),
      responder: new Uint32Array(count),
      originalDestination: new Uint32Array(count),
      originalDestinationPort: new Uint32Array(count),
      translatedSource: new Uint32Array(count),
      protocol: new Uint8Array(count),
      responderPort: new Uint32Array(count),
      initiatorBytes: new Float64Array(count),
      initiatorPackets: new Float64Array(count),
      responderBytes: new Float64Array(count),
      responderPackets: new Float64Array(count),
      connections: new Uint32Array(count),
    };
    for (const [i, link] of flows.entries()) {
      columns.initiator[i] = addresses.indexOf(link.initiator, link.initiatorBits);
      columns.responder[i] = addresses.indexOf(link.responder, 32);
      columns.originalDestination[i] = link.service === 0 ? 0 : 1 + addresses.indexOf(link.service, 32);
      columns.originalDestinationPort[i] = link.service === 0 ? 0 : link.port;
      columns.protocol[i] = link.protocol;
      columns.responderPort[i] = link.port;
      const sent = Math.max(1, Math.round(link.packets * (0.5 + random.next())));
      const answered = Math.max(1, Math.round(sent * (0.7 + 0.6 * random.next())));
      columns.initiatorPackets[i] = sent;
      columns.initiatorBytes[i] = Math.round(sent * link.sent * (0.9 + 0.2 * random.next()));
      columns.responderPackets[i] = answered;
      columns.responderBytes[i] = Math.round(answered * link.answered * (0.9 + 0.2 * random.next()));
      columns.connections[i] = random.chance(0.5) ? 0 : 1 + Math.floor((sent / 12) * random.next());
    }
    return {
      ...{ windowStartUs: startUs, windowEndUs: startUs + MINUTE_US, count, ...addresses.columns(), ...columns },
      ...{ folded: new Uint8Array(count), foldedCount: 0, losses: [] },
    };
  }

  #link(model: ClusterModel, size: TrafficSize): void {
    const random = this.#random;
    const { workloads, pods, nodes } = model;
    const popularity = createZipf(random, workloads.length, PEER_EXPONENT);
    // The most popular are not the largest: the order of popularity is shuffled.
    const order = shuffled(random, workloads.length);
    const outsideRank = createZipf(random, size.outsideAddresses, OUTSIDE_EXPONENT);
    const peersOf = workloads.map(() => times(PEERS_OF_A_WORKLOAD, () => order[popularity()]!));
    const outsideOf = workloads.map(() => times(OUTSIDE_OF_A_WORKLOAD, () => outsideAddress(outsideRank())));
    const seen = new Set<string>();
    const add = (node: number, link: Link) => {
      if (node >= this.#links.length) return;
      const key = `${node} ${link.initiator} ${link.responder} ${link.service} ${link.port}`;
      if (seen.has(key)) return;
      seen.add(key);
      this.#links[node]!.push(link);
    };
    const podsPerNode = pods.length / nodes.length;
    const linksPerPod = (size.flowsPerNode / podsPerNode / ACTIVE_SHARE) * DRAWN_TWICE;
    const outward = Math.round(linksPerPod * OUTBOUND_SHARE);
    const inward = Math.round(linksPerPod * INBOUND_SHARE);
    // Each is seen by two nodes; a probe and two lookups are there, too.
    const inside = Math.max(1, Math.round((linksPerPod - outward - inward - 5) / 2));
    const dns = workloads[DNS_WORKLOAD]!;
    for (const [index, pod] of pods.entries()) {
      const own = { initiator: pod.address, initiatorBits: 32 };
      for (let i = 0; i < inside; i++) {
        const workload = workloads[random.pick(peersOf[pod.workload]!)]!;
        const peer = pods[random.pick(workload.pods)]!;
        const link = {
          ...{ ...own, responder: peer.address, port: workload.port, protocol: TCP },
          ...{
            packets: random.logarithmic(2, 20_000),
            sent: random.integer(80, 900),
            answered: random.integer(80, 1400),
          },
        };
        add(pod.node, { ...link, service: random.chance(0.8) ? workload.serviceAddress : 0 });
        if (peer.node !== pod.node) add(peer.node, { ...link, service: 0 });
      }
      for (let i = 0; i < 2; i++) {
        const server = pods[random.pick(dns.pods)]!;
        const link = {
          ...{ ...own, responder: server.address, port: DNS_PORT, protocol: UDP },
          ...{ packets: random.logarithmic(2, 300), sent: 85, answered: 160 },
        };
        add(pod.node, { ...link, service: dns.serviceAddress });
        if (server.node !== pod.node) add(server.node, { ...link, service: 0 });
      }
      for (let i = 0; i < outward; i++) {
        add(pod.node, {
          ...{ ...own, responder: random.pick(outsideOf[pod.workload]!), service: 0, port: 443, protocol: TCP },
          ...{
            packets: random.logarithmic(5, 5000),
            sent: random.integer(80, 600),
            answered: random.integer(200, 1400),
          },
        });
      }
      for (let i = 0; i < inward; i++) {
        add(pod.node, {
          ...{ initiator: (outsideAddress(outsideRank()) & 0xffffff00) >>> 0, initiatorBits: 24 },
          ...{ responder: pod.address, service: 0, port: workloads[pod.workload]!.port, protocol: TCP },
          ...{
            packets: random.logarithmic(3, 500),
            sent: random.integer(80, 400),
            answered: random.integer(200, 1400),
          },
        });
      }
      add(pod.node, {
        ...{ initiator: nodes[pod.node]!.address, initiatorBits: 32, responder: pod.address, service: 0 },
        ...{ port: PROBE_PORT, protocol: TCP, packets: 36, sent: 68, answered: 75 + (index % 8) },
      });
    }
  }
}

/** Address of rank `rank`: spread over what is routed, in blocks as providers own them. */
function outsideAddress(rank: number): number {
  const block = Math.imul((rank >> 5) + 1, 0x9e3779b1) >>> 0;
  // 16.0.0.0 to 95.255.255.255: global unicast throughout.
  return ((16 + (block % 80)) * 2 ** 24 + ((block >>> 8) & 0xffff00) + ((rank * 37) & 255)) >>> 0;
}

/** Ranks from 0, drawn with probability proportional to (rank + 1)^-exponent. */
function createZipf(random: Random, count: number, exponent: number): () => number {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += (i + 1) ** -exponent;
    cumulative[i] = sum;
  }
  return () => {
    const wanted = random.next() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function shuffled(random: Random, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(0, i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

/** The addresses of one window, each once. */
class AddressList {
  readonly #indices = new Map<number, number>();
  readonly #addresses: number[] = [];
  readonly #bits: number[] = [];

  indexOf(address: number, bits: number): number {
    const key = address * 64 + bits;
    let index = this.#indices.get(key);
    if (index === undefined) {
      index = this.#addresses.push(address) - 1;
      this.#bits.push(bits);
      this.#indices.set(key, index);
    }
    return index;
  }

  columns() {
    const addressCount = this.#addresses.length;
    const addresses = new Uint8Array(16 * addressCount);
    const view = new DataView(addresses.buffer);
    for (const [i, address] of this.#addresses.entries()) view.setUint32(16 * i, address);
    return {
      ...{ addressCount, addresses, addressIsV6: new Uint8Array(addressCount) },
      prefixLengths: Uint8Array.from(this.#bits),
    };
  }
}
