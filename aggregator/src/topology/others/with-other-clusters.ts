// A cluster's own topology, and beside it the addresses of other clusters. The own one comes first; a name that the operator gave to a
// range comes after another cluster's pod in it, because it says less.
import type { Topology, TopologySource } from '../../model/topology.ts';
import type { OtherClusters } from './other-clusters.ts';

export function withOtherClusters(
  own: TopologySource,
  others: Pick<OtherClusters, 'lookupAddress' | 'counts'>,
): TopologySource {
  let made: { readonly of: Topology; readonly joined: Topology } | undefined;
  return {
    snapshot() {
      const of = own.snapshot();
      // Alone it may be timeless, which saves lookups.
      if (others.counts.clusters === 0) return of;
      if (made?.of !== of) made = { of, joined: join(of, others) };
      return made.joined;
    },
  };
}

function join(own: Topology, others: Pick<OtherClusters, 'lookupAddress'>): Topology {
  return {
    lookupNode: (name) => own.lookupNode(name),
    lookupAddress(address, startUs, endUs) {
      const owner = own.lookupAddress(address, startUs, endUs);
      if (owner !== undefined && owner.identity.kind !== 'external') return owner;
      const other = others.lookupAddress(address, startUs, endUs);
      return owner === undefined || other?.certainty === 'exact' ? (other ?? owner) : owner;
    },
    lookupPrefix: (prefix, startUs, endUs) => own.lookupPrefix(prefix, startUs, endUs),
    lookupNodePort: (port, protocol, address, startUs, endUs) =>
      own.lookupNodePort(port, protocol, address, startUs, endUs),
    inClusterRanges: (address) => own.inClusterRanges(address),
  };
}
