// Where two sides are to each other, from their places alone. Pure.
import type { Relation } from './book/words.ts';
import type { Side } from './side.ts';

/** A decision and why it was taken, for people. */
export interface Decided<T> {
  readonly value: T;
  readonly reason: string;
}

type Place = Pick<Side, 'region' | 'zone' | 'zoneId' | 'account'>;

/** Compares regions, and zones within one. Providers are the caller's. */
export function relationOf(local: Place, peer: Place): Decided<Relation> {
  if (local.region === null || peer.region === null) {
    const who = local.region === null ? 'local side' : 'peer';
    return { value: 'unknown', reason: `the region of the ${who} is not known` };
  }
  if (local.region !== peer.region) {
    return { value: 'cross-region', reason: `regions ${local.region} and ${peer.region} differ` };
  }
  return compareZones(local, peer);
}

/** Ids of zones mean the same everywhere; names only within one account. */
export function compareZones(local: Place, peer: Place): Decided<'same-zone' | 'cross-zone' | 'same-region'> {
  if (local.zoneId !== null && peer.zoneId !== null) {
    return compared('zone ids', local.zoneId, peer.zoneId);
  }
  if (local.zone === null || peer.zone === null) {
    const who = local.zone === null ? 'local side' : 'peer';
    return { value: 'same-region', reason: `one region, ${local.region}; the zone of the ${who} is not known` };
  }
  if (local.account !== peer.account) {
    return {
      value: 'same-region',
      reason: `one region, ${local.region}; zone names of accounts ${local.account} and ${peer.account} cannot be compared, and ids are not known`,
    };
  }
  return compared('zones', local.zone, peer.zone);
}

function compared(what: string, a: string, b: string): Decided<'same-zone' | 'cross-zone'> {
  return a === b
    ? { value: 'same-zone', reason: `both sides are in zone ${a}` }
    : { value: 'cross-zone', reason: `${what} ${a} and ${b} differ` };
}
