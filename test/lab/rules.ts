// The nftables rules of the laboratory: connection tracking, service translation and masquerading on the nodes (what a
// kube-proxy writes), and the independent counters everywhere else. Pure: text out.
import {
  CLUSTER_RANGES,
  type LabCluster,
  type LabNode,
  type LabService,
  podOf,
  SECOND_CONNTRACK_ZONE,
} from './cluster.ts';
import { LOOP_IN, LOOP_OUT, MANAGEMENT_DEVICE, podDevice, UNDERLAY_DEVICE } from './wiring.ts';

const L4 = 'meta l4proto { tcp, udp, sctp }';
/** A masqueraded source port stays an ephemeral one, so that a tuple shows who opened the connection. */
const MASQUERADE = `${L4} masquerade to :32768-60999`;
const FAMILIES = [
  ['ip', 0],
  ['ip6', 1],
] as const;

/**
 * Rules of a node. It keeps the kernel's own multicast reports and neighbour discovery to itself: a tunnel would carry them
 * at any time, and no test asked for them.
 */
export function nodeRules(cluster: LabCluster, node: LabNode): string {
  const translate: string[] = [];
  const masquerade: string[] = [];
  const zones: string[] = [];
  for (const [ip, v] of FAMILIES) {
    for (const service of cluster.services) {
      translate.push(`${ip} daddr ${service.address[v]} ${L4} th dport ${service.port} ${dnat(cluster, service, v)}`);
      if (service.nodePort !== undefined) translate.push(...nodePort(cluster, node, service, ip, v));
    }
    for (const pod of cluster.pods.filter((candidate) => candidate.node === node.name)) {
      const hairpin = `${ip} saddr ${pod.address[v]} ${ip} daddr ${pod.address[v]}`;
      masquerade.push(`oifname "${podDevice(pod.name)}" ct status dnat ${hairpin} ${MASQUERADE}`);
      if (!pod.twoZones) continue;
      const set = `ct zone set ${SECOND_CONNTRACK_ZONE}`;
      zones.push(`iifname != { "${LOOP_IN}", "${podDevice(pod.name)}" } ${ip} daddr ${pod.address[v]} ${set}`);
    }
    const leaving = `oifname "${UNDERLAY_DEVICE}" ${ip} saddr ${node.podRange[v]} ${ip} daddr != ${CLUSTER_RANGES[v]}`;
    masquerade.push(`${leaving} ${MASQUERADE}`, `${leaving} masquerade`);
  }
  zones.unshift(`iifname "${LOOP_OUT}" ct zone set ${SECOND_CONNTRACK_ZONE}`);
  return `
table inet lab {
  counter invalid { }
  chain raw_in {
    type filter hook prerouting priority raw;
    iifname "${MANAGEMENT_DEVICE}" notrack
    ${zones.join('\n    ')}
  }
  chain raw_out {
    type filter hook output priority raw;
    oifname "${MANAGEMENT_DEVICE}" notrack
    meta l4proto ipv6-icmp icmpv6 type { 130, 131, 132, 133, 135, 136, 143 } drop
  }
  chain track_in {
    type filter hook prerouting priority filter;
    ct state invalid counter name invalid
  }
  chain translate {
    ${translate.join('\n    ')}
  }
  chain nat_in {
    type nat hook prerouting priority dstnat;
    jump translate
  }
  chain nat_out {
    type nat hook output priority -100;
    jump translate
  }
  chain nat_post {
    type nat hook postrouting priority srcnat;
    ${masquerade.join('\n    ')}
    meta mark 0x4000 ${MASQUERADE}
  }
}
`;
}

/** Translation to a backend, one after the other where there are several. */
function dnat(cluster: LabCluster, service: LabService, v: 0 | 1): string {
  const backends = service.backends.map((name) => podOf(cluster, name).address[v]);
  const family = v === 1 ? 'ip6' : 'ip';
  const bracket = (address: string): string => (v === 1 ? `[${address}]` : address);
  if (backends.length === 1) return `dnat ${family} to ${bracket(backends[0]!)}:${service.targetPort}`;
  const map = backends.map((address, i) => `${i} : ${address}`).join(', ');
  return `dnat ${family} to numgen inc mod ${backends.length} map { ${map} }:${service.targetPort}`;
}

function nodePort(cluster: LabCluster, node: LabNode, service: LabService, ip: 'ip' | 'ip6', v: 0 | 1): string[] {
  const match = `${ip} daddr ${node.address[v]} ${L4} th dport ${service.nodePort}`;
  if (service.trafficPolicy === 'cluster') return [`${match} meta mark set 0x4000 ${dnat(cluster, service, v)}`];
  const here = service.backends.some((name) => podOf(cluster, name).node === node.name);
  return here ? [`${match} ${dnat(cluster, service, v)}`] : [];
}

/** Name of the table with the counters. */
export const COUNTER_TABLE = 'lab_count';

/**
 * Counters per tuple. `host` counts what a host sends and receives; `router` what passes. They use no connection
 * tracking. Only echo messages are counted of ICMP: the kernel tracks the others as part of the connection that they
 * speak of, without accounting them, or not at all.
 */
export function counterRules(kind: 'host' | 'router'): string {
  const sets: string[] = [];
  const chains: string[] = [];
  const hooks =
    kind === 'host' ? [['output', 'out'] as const, ['input', 'in'] as const] : [['forward', 'via'] as const];
  for (const [hook, side] of hooks) {
    const rules: string[] = [];
    for (const [ip, v] of FAMILIES) {
      const icmp = v === 1 ? 'icmpv6' : 'icmp';
      const tuple = `${ip} saddr . ${ip} daddr . meta l4proto . th sport . th dport`;
      const echo = `${ip} saddr . ${ip} daddr . meta l4proto . ${icmp} type`;
      const tail = 'flags dynamic; size 262144; counter;';
      const address = v === 1 ? 'ipv6_addr' : 'ipv4_addr';
      sets.push(
        `set ${side}_l4_${ip} { type ${address} . ${address} . inet_proto . inet_service . inet_service; ${tail} }`,
        `set ${side}_echo_${ip} { type ${address} . ${address} . inet_proto . ${icmp}_type; ${tail} }`,
      );
      const nfproto = v === 1 ? 'ipv6' : 'ipv4';
      rules.push(
        `meta nfproto ${nfproto} ${L4} add @${side}_l4_${ip} { ${tuple} }`,
        `${icmp} type { echo-request, echo-reply } add @${side}_echo_${ip} { ${echo} }`,
      );
    }
    chains.push(`chain ${side} { type filter hook ${hook} priority raw;\n${rules.join('\n')}\n}`);
  }
  return `table inet ${COUNTER_TABLE} {\n${sets.join('\n')}\n${chains.join('\n')}\n}\n`;
}
