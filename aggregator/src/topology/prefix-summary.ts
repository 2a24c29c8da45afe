// What pods and nodes with addresses in one prefix have in common. Pure.
import type { NodeIdentity, PodIdentity, PrefixSummary } from '../model/topology.ts';

/** Undefined where nobody is. */
export function summaryOf(members: readonly (NodeIdentity | PodIdentity)[]): PrefixSummary | undefined {
  if (members.length === 0) return undefined;
  const nodes = members.map((identity) => (identity.kind === 'pod' ? identity.node : identity));
  return {
    nodes: new Set(nodes.map((node) => node.name)),
    kind: common(members.map((identity) => identity.kind)),
    provider: common(nodes.map((node) => node.provider)),
    region: common(nodes.map((node) => node.region)),
    zone: common(nodes.map((node) => node.zone)),
    zoneId: common(nodes.map((node) => node.zoneId ?? null)),
  };
}

function common<T>(values: readonly T[]): T | null {
  const [first] = values;
  return first !== undefined && values.every((value) => value === first) ? first : null;
}
