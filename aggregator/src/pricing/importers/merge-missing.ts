// Pairs of regions without a rate, after rates came and regions were added: the book must list them, and no others.
import type { PriceBook, RateEntry } from '../book/format.ts';
import { selectRegions } from '../book/region-selector.ts';
import { groupPairs } from './pair-groups.ts';

type Missing = NonNullable<PriceBook['missing']>;

const NEITHER = 'Neither the imported documents nor the base book have a rate.';

/** The list as it must be for these rates: written anew only where it does not fit. */
export function missingPairs(
  regions: readonly string[],
  rates: readonly RateEntry[],
  before: Missing,
  groups: NonNullable<PriceBook['groups']>,
): Missing {
  const all = new Set<string | null>(regions);
  const peersOf = (entries: readonly Pick<RateEntry, 'regions' | 'peerRegions'>[]) => {
    const sets = entries.map((entry) => ({
      regions: selectRegions(all, entry.regions, groups),
      peers: selectRegions(all, entry.peerRegions, groups),
    }));
    return (region: string, peer: string) => sets.some((set) => set.regions.has(region) && set.peers.has(peer));
  };
  const outward = rates.filter(
    (rate) => rate.class === 'cross-region' && rate.directions.includes('out') && rate.paths === undefined,
  );
  if (outward.length === 0) return before;
  const hasRate = peersOf(outward);
  const listed = before.map((entry) => ({ note: entry.note, has: peersOf([entry]) }));
  const byNote = new Map<string, Map<string, Set<string>>>();
  let isChanged = false;
  for (const region of regions) {
    for (const peer of regions) {
      if (peer === region) continue;
      const note = listed.find(({ has }) => has(region, peer))?.note;
      if (hasRate(region, peer) !== (note === undefined)) isChanged = true;
      if (hasRate(region, peer)) continue;
      const pairs = byNote.get(note ?? NEITHER) ?? new Map<string, Set<string>>();
      byNote.set(note ?? NEITHER, pairs);
      pairs.set(region, (pairs.get(region) ?? new Set()).add(peer));
    }
  }
  if (!isChanged) return before;
  return [...byNote].flatMap(([note, pairs]) =>
    groupPairs(pairs, new Set()).map((group) => ({
      ...{ regions: [...group.regions], peerRegions: [...group.peerRegions], note },
    })),
  );
}
