// Tunnels between nodes: what they carry is counted in rows of its own.
import type { FlowRow } from '../model/flow-row.ts';

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

/** Whether the protocol and port of a row are a tunnel's. */
export function createIsTunnel(tunnels: Tunnels): (row: Pick<FlowRow, 'protocol' | 'port'>) => boolean {
  const protocols = new Set(tunnels.protocols);
  const udpPorts = new Set(tunnels.udpPorts);
  return ({ protocol, port }) =>
    protocol !== null && (protocols.has(protocol) || (protocol === 'udp' && port !== null && udpPorts.has(port)));
}
