// What each node must have seen, derived from the independent counters alone: a pod's view of its connections, the outside
// host's, and the router's for the tunnel. Keys are reduced as the product reduces them; translation is undone by looking at
// both ends (the responder's own view names the initiator, unless a node hides it, and then the initiator's view counts).
// Knows the cluster's addresses, never conntrack nor the agent.
import { type LabCluster, type LabPod, nodeOf, VXLAN_PORT } from './cluster.ts';
import type { Protocol, Tally } from './counters.ts';

/** Bytes (IP header and payload) and packets of all connections of one reduced key on one node. */
export interface ExpectedFlow {
  readonly node: string;
  readonly initiator: string;
  /** After destination translation. */
  readonly responder: string;
  readonly protocol: Protocol;
  /** The responder's, after translation; 0 for echo. */
  readonly port: number;
  initiatorBytes: number;
  initiatorPackets: number;
  responderBytes: number;
  responderPackets: number;
}

/** A tally read as one direction of a connection. */
interface Direction {
  readonly tally: Tally;
  readonly initiator: string;
  readonly responder: string;
  readonly port: number;
  /** Does this tally count what the initiator sent? */
  readonly forward: boolean;
}

/** Derives what every node must have seen. */
export function expectedFlows(cluster: LabCluster, tallies: readonly Tally[]): ExpectedFlow[] {
  const ports = serverPorts(cluster);
  const flows = new Map<string, ExpectedFlow>();
  const add = (node: string, initiator: string, responder: string, port: number, direction: Direction): void => {
    const { protocol, bytes, packets } = direction.tally;
    const key = [node, initiator, responder, protocol, port].join(' ');
    const none = { initiatorBytes: 0, initiatorPackets: 0, responderBytes: 0, responderPackets: 0 };
    const flow = flows.get(key) ?? { node, initiator, responder, protocol, port, ...none };
    flows.set(key, flow);
    flow[direction.forward ? 'initiatorBytes' : 'responderBytes'] += bytes;
    flow[direction.forward ? 'initiatorPackets' : 'responderPackets'] += packets;
  };
  const podAt = (address: string): LabPod | undefined => cluster.pods.find((pod) => pod.address.includes(address));

  for (const tally of tallies) {
    const direction = directionOf(tally, ports);
    const { initiator, responder, port } = direction;
    if (tally.host === 'underlay') {
      if (tally.protocol !== 'udp' || tally.destinationPort !== VXLAN_PORT) continue;
      for (const address of [tally.source, tally.destination]) {
        add(nodeAt(cluster, address)!.name, tally.source, tally.destination, VXLAN_PORT, {
          ...direction,
          forward: true,
        });
      }
      continue;
    }
    const hop = nodePortOf(cluster, responder, port);
    if (tally.host === 'outside') {
      // As responder it only sees masqueraded pods: the pod's view counts. As initiator it sees node ports.
      if (hop !== undefined) add(hop.node, initiator, hop.backend.address[family(initiator)], hop.port, direction);
      continue;
    }
    const pod = cluster.pods.find((candidate) => candidate.name === tally.host)!;
    if (pod.address.includes(initiator)) {
      if (!inCluster(responder)) add(pod.node, initiator, responder, port, direction);
      if (hop === undefined) continue; // a service or another pod: the responder's view counts
      add(hop.node, initiator, hop.backend.address[family(initiator)], hop.port, direction);
      if (hop.node !== pod.node) add(pod.node, initiator, responder, port, direction);
    }
    if (pod.address.includes(responder)) {
      const self = nodeOf(cluster, pod.node);
      const real = self.podGateway.includes(initiator) ? responder : initiator; // a hairpin was masqueraded
      const from = podAt(real);
      add(pod.node, real, responder, port, direction);
      if (from !== undefined && from.node !== pod.node) add(from.node, real, responder, port, direction);
    }
  }
  return [...flows.values()];
}

/**
 * Checks the counters against each other: what one end sent, the other end received, per protocol. Gives the differences;
 * anything here means that packets were lost on the way and that no exact comparison is possible.
 */
export function lostOnTheWay(tallies: readonly Tally[]): string[] {
  const sent = new Map<string, number>();
  for (const { host, side, protocol, packets, source } of tallies) {
    if (host === 'underlay') continue;
    const key = `${protocol} ${family(source) === 0 ? 'IPv4' : 'IPv6'}`;
    sent.set(key, (sent.get(key) ?? 0) + (side === 'out' ? packets : -packets));
  }
  return [...sent]
    .filter(([, lost]) => lost !== 0)
    .map(([key, lost]) => `${key}: ${lost} packets sent but not received`);
}

const family = (address: string): 0 | 1 => (address.includes(':') ? 1 : 0);
const inCluster = (address: string): boolean => address.startsWith('10.') || address.startsWith('fd');
const nodeAt = (cluster: LabCluster, address: string) => cluster.nodes.find((node) => node.address.includes(address));

/** Ports on which somebody answers; every other port is an initiator's. */
function serverPorts(cluster: LabCluster): ReadonlySet<number> {
  const service = cluster.services.flatMap((s) => [
    s.port,
    s.targetPort,
    ...(s.nodePort === undefined ? [] : [s.nodePort]),
  ]);
  return new Set([...service, 7001, 7002, 7003, 443, 8443, 53, VXLAN_PORT]);
}

function directionOf(tally: Tally, ports: ReadonlySet<number>): Direction {
  const forward = tally.echo === undefined ? ports.has(tally.destinationPort) : tally.echo === 'request';
  if (tally.echo === undefined && forward === ports.has(tally.sourcePort)) {
    throw new Error(`cannot tell who opened ${JSON.stringify(tally)}`);
  }
  return {
    tally,
    forward,
    initiator: forward ? tally.source : tally.destination,
    responder: forward ? tally.destination : tally.source,
    port: forward ? tally.destinationPort : tally.sourcePort,
  };
}

/** What a node port leads to, when that address and port is one behind which nodes hide the initiator. */
function nodePortOf(
  cluster: LabCluster,
  address: string,
  port: number,
): { node: string; backend: LabPod; port: number } | undefined {
  const node = nodeAt(cluster, address);
  // With the policy `local` nothing is hidden: the responder sees the initiator itself, as with a service's own address.
  const service = cluster.services.find((s) => s.nodePort === port && s.trafficPolicy === 'cluster');
  if (node === undefined || service === undefined) return undefined;
  const backend = cluster.pods.find((pod) => pod.name === service.backends[0])!;
  return { node: node.name, backend, port: service.targetPort };
}
