// Single pairs of regions → few lists of regions to lists of regions, so that a price book stays readable. Knows no rates.

/** Every region of the one list with every region of the other. */
export interface PairGroup {
  readonly regions: readonly string[];
  readonly peerRegions: readonly string[];
}

interface OpenGroup {
  readonly members: Set<string>;
  peers: ReadonlySet<string>;
}

/**
 * Groups pairs that share one price. Between regions, a region's pair with itself is no traffic: lists may hold it, so that
 * [a, b] to [a, b, c] can be one group; `taken` keeps each such pair in one group only, over all prices.
 */
export function groupPairs(peersOf: ReadonlyMap<string, ReadonlySet<string>>, taken: Set<string>): PairGroup[] {
  const groups: OpenGroup[] = [];
  for (const [region, peers] of peersOf) {
    const group = groups.find((candidate) => fits(candidate, region, peers, taken));
    if (group === undefined) {
      groups.push({ members: new Set([region]), peers });
      continue;
    }
    group.members.add(region);
    group.peers = new Set([...group.peers, ...peers]);
    for (const member of group.members) if (group.peers.has(member)) taken.add(member);
  }
  return groups.map(({ members, peers }) => ({
    regions: [...members].toSorted(),
    peerRegions: [...peers].toSorted(),
  }));
}

/** Whether the union of the peers, but for itself, is what each member has. */
function fits(group: OpenGroup, region: string, peers: ReadonlySet<string>, taken: ReadonlySet<string>): boolean {
  const union = new Set([...group.peers, ...peers]);
  const isWhole = (member: string, own: ReadonlySet<string>) =>
    [...union].every((peer) => peer === member || own.has(peer));
  if (!isWhole(region, peers)) return false;
  // A member has all that the group has, but perhaps itself.
  if (![...group.members].every((member) => isWhole(member, group.peers))) return false;
  const isSelfPair = (member: string) => union.has(member) && !(member === region ? peers : group.peers).has(member);
  return [...group.members, region].every((member) => !isSelfPair(member) || !taken.has(member));
}
