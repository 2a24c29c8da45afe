// Two sources as one: what the first does not know is asked of the second. A cluster's own truth comes first, names that the operator
// gave to what is outside of it second.
import type { Topology, TopologySource } from '../model/topology.ts';

export function mergeTopologies(first: TopologySource, second: TopologySource): TopologySource {
  let made: { readonly a: Topology; readonly b: Topology; readonly merged: Topology } | undefined;
  return {
    snapshot() {
      const [a, b] = [first.snapshot(), second.snapshot()];
      if (made?.a !== a || made.b !== b) made = { a, b, merged: merge(a, b) };
      return made.merged;
    },
  };
}

function merge(a: Topology, b: Topology): Topology {
  return {
    lookupNode: (name) => a.lookupNode(name) ?? b.lookupNode(name),
    lookupAddress: (address, startUs, endUs) =>
      a.lookupAddress(address, startUs, endUs) ?? b.lookupAddress(address, startUs, endUs),
    lookupPrefix: (prefix, startUs, endUs) =>
      a.lookupPrefix(prefix, startUs, endUs) ?? b.lookupPrefix(prefix, startUs, endUs),
    lookupNodePort: (port, protocol, address, startUs, endUs) =>
      a.lookupNodePort(port, protocol, address, startUs, endUs) ??
      b.lookupNodePort(port, protocol, address, startUs, endUs),
    inClusterRanges: (address) => a.inClusterRanges(address) || b.inClusterRanges(address),
  };
}
