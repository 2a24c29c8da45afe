// The addresses of this node's interfaces: bridges, tunnels and overlay devices have some that nobody else lists.
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** As text, each once, without loopback and IPv6 link-local ones: many nodes have the same. */
export function interfaceAddresses(
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): readonly string[] {
  const addresses = Object.values(interfaces).flatMap((list = []) =>
    list.filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address)).map(({ address }) => address),
  );
  return [...new Set(addresses)];
}
