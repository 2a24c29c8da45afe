// Links, addresses, routes and neighbours of the laboratory, as input for `ip -batch`. Every neighbour entry is permanent
// and no address is probed, so nothing but the traffic that a test asked for is ever on a wire: no ARP, no neighbour
// discovery. Pure: text in, text out.
import { type Dual, type LabCluster, type LabNode, nodeOf, VXLAN_PORT } from './cluster.ts';

/** Where the aggregator listens, as the nodes see it. */
export const MANAGEMENT_ADDRESS = '192.168.250.1';
/** Where a node is, as seen from there. */
export const managementAddress = (node: LabNode): string => `192.168.250.${node.index * 10}`;
/** What else is behind it: pods of the product itself, whose traffic no node tracks. */
const SYSTEM_RANGE = '192.168.250.128/25';
/** Short name of the namespace of the product's own pod with this number, from 0. */
export const systemHost = (number: number): string => `system-${number}`;
/** Its address. */
export const systemAddress = (number: number): string => `192.168.250.${128 + number}`;
/** Name of the veth that leads from a node to the management namespace. */
export const MANAGEMENT_DEVICE = 'mgmt';
/** The rest of a route through there, for an address that is not a node's. */
export const byManagement = (node: LabNode): string =>
  `via ${MANAGEMENT_ADDRESS} dev ${MANAGEMENT_DEVICE} src ${managementAddress(node)} onlink`;
/** Name of a node's device on the underlay. */
export const UNDERLAY_DEVICE = 'ul';
/** Name of the tunnel device. */
export const TUNNEL_DEVICE = 'vx0';
/** The pair inside one node through which the pod with two conntrack zones is led: `LOOP_IN` is the pod's side. */
export const LOOP_IN = 'lpa';
export const LOOP_OUT = 'lpb';

// A line of `ip -batch` shows its family by an address; `default` would not.
const EVERYTHING: Dual = ['0.0.0.0/0', '::/0'];

/** Leaves room for the tunnel's headers on a link of 1,500. */
const POD_MTU_BYTES = 1450;

/** Device of a pod on its node. */
export const podDevice = (pod: string): string => `p-${pod}`;
/** Device of a node on the router. */
export const routerDevice = (node: string): string => `u-${node}`;

export interface Wiring {
  /** Hosts (short names): pods, nodes, `underlay`, `outside`, `management`. */
  readonly hosts: readonly string[];
  /** `ip -batch` lines that make the links, run outside of any namespace. */
  readonly links: string[];
  /** `ip -batch` lines per host, run inside it. */
  readonly config: Map<string, string[]>;
  /** `ip -6 -batch` lines per host, run after those: what does not show its family. */
  readonly config6: Map<string, string[]>;
  /** Devices per host, for ethtool. */
  readonly devices: Map<string, string[]>;
}

/** All hosts of a cluster, in the order in which they are made. */
function hostsOf(cluster: LabCluster, systemPods: number): string[] {
  const pods = [...cluster.pods.map((p) => p.name), ...Array.from({ length: systemPods }, (_, i) => systemHost(i))];
  return [...cluster.nodes.map((n) => n.name), ...pods, 'underlay', 'outside', 'management'];
}

/**
 * Plans the wiring. `namespaceOf` names a host's namespace; `segmentsMax` is the most segments that one packet handed to a
 * device may hold: 1 makes every counter see every header (facts: counters see merged packets otherwise). `systemPods`: how many
 * namespaces there are for pods of the product itself.
 */
export function wire(
  cluster: LabCluster,
  namespaceOf: (host: string) => string,
  segmentsMax: number | undefined,
  systemPods = 0,
): Wiring {
  const hosts = hostsOf(cluster, systemPods);
  const wiring: Wiring = { hosts, links: [], config: new Map(), config6: new Map(), devices: new Map() };
  for (const host of hosts) {
    wiring.config.set(host, ['link set lo up']);
    wiring.config6.set(host, []);
    wiring.devices.set(host, []);
  }
  const gso = segmentsMax === undefined ? '' : `gso_max_segs ${segmentsMax}`;
  let links = 0;

  const device = (host: string, name: string, mtu: number): void => {
    wiring.devices.get(host)!.push(name);
    wiring.config.get(host)!.push(`link set ${name} mtu ${mtu} addrgenmode none`, `link set ${name} up`);
  };
  /** Joins two hosts by a veth pair and gives the hardware addresses. */
  const join = (a: string, aName: string, b: string, bName: string, mtu = 1500): [string, string] => {
    const number = (++links).toString(16).padStart(2, '0');
    const [macA, macB] = [`02:00:00:00:${number}:0a`, `02:00:00:00:${number}:0b`];
    const end = (host: string, name: string, mac: string): string =>
      `name ${name} address ${mac} ${gso} netns ${namespaceOf(host)}`;
    wiring.links.push(`link add ${end(a, aName, macA)} type veth peer ${end(b, bName, macB)}`);
    device(a, aName, mtu);
    device(b, bName, mtu);
    return [macA, macB];
  };
  const add = (host: string, lines: readonly string[]): void => void wiring.config.get(host)!.push(...lines);

  for (const node of cluster.nodes) {
    const [nodeMac, routerMac] = join(node.name, UNDERLAY_DEVICE, 'underlay', routerDevice(node.name));
    add(node.name, [...own(node.address, UNDERLAY_DEVICE), ...via(UNDERLAY_DEVICE, node.gateway, routerMac)]);
    const toNode = routerDevice(node.name);
    add('underlay', [
      ...own(node.gateway, toNode),
      ...reach(toNode, node.address, nodeMac),
      ...route(node.podRange, toNode, node.address),
    ]);
    const link = managementAddress(node);
    const [agentMac, serverMac] = join(node.name, MANAGEMENT_DEVICE, 'management', `m-${node.name}`);
    add(node.name, [
      `address add ${link}/32 dev ${MANAGEMENT_DEVICE}`,
      ...reach(MANAGEMENT_DEVICE, [MANAGEMENT_ADDRESS], serverMac, link),
      ...(systemPods === 0 ? [] : [`route add ${SYSTEM_RANGE} ${byManagement(node)}`]),
    ]);
    add('management', reach(`m-${node.name}`, [link], agentMac));
  }
  add('management', [`address add ${MANAGEMENT_ADDRESS}/32 dev lo`]);
  for (let i = 0; i < systemPods; i++) {
    const [podMac, gatewayMac] = join(systemHost(i), 'eth0', 'management', `m-${systemHost(i)}`);
    const reachGateway = reach('eth0', [MANAGEMENT_ADDRESS], gatewayMac, systemAddress(i));
    add(systemHost(i), [`address add ${systemAddress(i)}/32 dev eth0`, ...reachGateway]);
    add(systemHost(i), [`route add ${EVERYTHING[0]} via ${MANAGEMENT_ADDRESS} dev eth0 onlink`]);
    add('management', reach(`m-${systemHost(i)}`, [systemAddress(i)], podMac));
  }

  for (const pod of cluster.pods) {
    const node = nodeOf(cluster, pod.node);
    const name = podDevice(pod.name);
    const [podMac, nodeMac] = join(pod.name, 'eth0', node.name, name, POD_MTU_BYTES);
    add(pod.name, [...own(pod.address, 'eth0'), ...via('eth0', node.podGateway, nodeMac)]);
    add(node.name, [...own(node.podGateway, name), ...reach(name, pod.address, podMac, ...node.address)]);
  }

  const [outsideMac, routerMac] = join('outside', 'eth0', 'underlay', 'u-outside');
  add('outside', [
    ...cluster.outside.flatMap((address) => own(address, 'eth0')),
    ...via('eth0', cluster.outsideGateway, routerMac),
  ]);
  add('underlay', [
    ...own(cluster.outsideGateway, 'u-outside'),
    ...cluster.outside.flatMap((address) => reach('u-outside', address, outsideMac)),
  ]);

  const [left, right] = cluster.tunnelNodes.map((name) => nodeOf(cluster, name)) as [LabNode, LabNode];
  for (const [self, peer] of [
    [left, right],
    [right, left],
  ] as const) {
    const mac = (node: LabNode): string => `02:00:00:00:ff:0${node.index}`;
    add(self.name, [
      `link add name ${TUNNEL_DEVICE} address ${mac(self)} ${gso} type vxlan id 1 local ${self.address[0]} ` +
        `remote ${peer.address[0]} dstport ${VXLAN_PORT} nolearning dev ${UNDERLAY_DEVICE}`,
    ]);
    device(self.name, TUNNEL_DEVICE, POD_MTU_BYTES);
    add(self.name, [
      ...own(self.tunnel, TUNNEL_DEVICE),
      ...reach(TUNNEL_DEVICE, peer.tunnel, mac(peer), ...self.address),
      ...route(peer.podRange, TUNNEL_DEVICE, peer.tunnel),
    ]);
  }

  for (const pod of cluster.pods.filter((candidate) => candidate.twoZones)) {
    const [inMac, outMac] = join(pod.node, LOOP_IN, pod.node, LOOP_OUT);
    const device = podDevice(pod.name);
    add(pod.node, loop(EVERYTHING[0], pod.address[0], '169.254.77.1', device, inMac, outMac));
    wiring.config6.get(pod.node)!.push(...loop(EVERYTHING[1], pod.address[1], 'fd00:77::1', device, inMac, outMac));
  }
  return wiring;
}

/** Leads the packets of one of a pod's addresses through the pair LOOP_IN/LOOP_OUT, both ways, so that its node tracks them twice. */
function loop(
  everything: string,
  address: string,
  hop: string,
  device: string,
  inMac: string,
  outMac: string,
): string[] {
  return [
    // From the pod: out at LOOP_IN, in again at LOOP_OUT, and only then on by the main table.
    `neigh add ${hop} lladdr ${outMac} dev ${LOOP_IN} nud permanent`,
    `route add ${everything} via ${hop} dev ${LOOP_IN} onlink table 100`,
    `rule add pref 100 iif ${device} table 100`,
    // To the pod: out at LOOP_OUT, in again at LOOP_IN, and only then to the pod.
    `neigh add ${hop} lladdr ${inMac} dev ${LOOP_OUT} nud permanent`,
    `route add ${everything} via ${hop} dev ${LOOP_OUT} onlink table 101`,
    `rule add pref 101 to ${address} iif ${LOOP_IN} table main`,
    `rule add pref 102 to ${address} table 101`,
  ];
}

const isV6 = (address: string): boolean => address.includes(':');
const full = (address: string): string => `${address}/${isV6(address) ? 128 : 32}`;

/** Addresses of a device, without subnet and without duplicate address detection. */
function own(addresses: readonly string[], device: string): string[] {
  return addresses.map((address) => `address add ${full(address)} dev ${device}${isV6(address) ? ' nodad' : ''}`);
}

/** Neighbours right behind a device; `sources` are the preferred source addresses, one a family. */
function reach(device: string, addresses: readonly string[], mac: string, ...sources: string[]): string[] {
  return addresses.flatMap((address) => {
    const source = sources.find((candidate) => isV6(candidate) === isV6(address));
    return [
      `neigh add ${address} lladdr ${mac} dev ${device} nud permanent`,
      `route add ${full(address)} dev ${device}${source === undefined ? '' : ` src ${source}`}`,
    ];
  });
}

/** Routes to prefixes through a neighbour made by `reach`. */
function route(prefixes: Dual, device: string, hops: Dual): string[] {
  return prefixes.map((prefix, i) => `route add ${prefix} via ${hops[i]} dev ${device} onlink`);
}

/** A neighbour, and the default route through it, in both families. */
function via(device: string, hops: Dual, mac: string): string[] {
  return [...reach(device, hops, mac), ...route(EVERYTHING, device, hops)];
}
