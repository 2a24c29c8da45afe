// The traffic class of two sides, and why. Pure: what lies between them is path-rules.ts's, what it costs rates.ts's.
import type { TrafficClass } from '../model/flow-row.ts';
import type { Relation } from './book/words.ts';
import { type Decided, relationOf } from './relation.ts';
import type { Side } from './side.ts';

/** What the price book of the local side's provider says about classes. */
export interface ClassTraits {
  /** IPv6 between two networks of one region is billed like public addresses. */
  readonly ipv6BetweenNetworksIsPublic: boolean;
  /** There is a rate that holds for any zone of a region. */
  readonly zonesAreAlike: boolean;
}

export interface DecidedClass {
  readonly trafficClass: TrafficClass;
  readonly relation: Relation;
  /** For people, the last decision first. */
  readonly reasons: readonly string[];
}

/** Class of traffic between two machines, services or networks that are not on one node. */
export function decideClass(local: Side, peer: Side, traits: ClassTraits): DecidedClass {
  const relation = relationOf(local, peer);
  const decided = (trafficClass: TrafficClass, ...reasons: string[]): DecidedClass => ({
    trafficClass,
    relation: relation.value,
    reasons,
  });

  if (peer.network?.kind === 'on-premises') {
    return decided('on-premises', `the peer is in network ${peer.network.name}, which is on-premises`);
  }
  if (peer.network?.kind === 'internet') {
    return decided('internet', `the peer is in network ${peer.network.name}, which is reached over the internet`);
  }
  if (peer.kind === 'internet' && peer.provider === null && peer.region === null) {
    return decided('internet', 'the peer is a public address without a known place');
  }
  // One side with a provider and one without cannot be compared; two without are a place that no cloud bills.
  if ((local.provider === null) !== (peer.provider === null)) {
    return decided('unknown', `the provider of the ${local.provider === null ? 'local side' : 'peer'} is not known`);
  }
  if (local.provider !== peer.provider) {
    return decided('other-provider', `providers ${local.provider} and ${peer.provider} differ`);
  }
  if (peer.kind === 'provider-service') {
    return decided('provider-service', `the peer is service ${peer.service} of ${peer.provider}`, relation.reason);
  }
  if (relation.value === 'unknown') {
    return decided('unknown', relation.reason);
  }
  const isPeered = peer.network?.kind === 'peered';
  if (relation.value === 'cross-region') {
    return isPeered ? decided('peered', peeredReason(peer), relation.reason) : decided('cross-region', relation.reason);
  }
  const publicly = publicReason(local, peer, traits);
  if (publicly !== undefined) {
    return decided('same-region-public', publicly, `both sides are in region ${local.region}`);
  }
  if (isPeered) {
    return decided('peered', peeredReason(peer), relation.reason);
  }
  return inRegion(relation as Decided<'same-zone' | 'cross-zone' | 'same-region'>, traits, decided);
}

function inRegion(
  { value, reason }: Decided<'same-zone' | 'cross-zone' | 'same-region'>,
  traits: ClassTraits,
  decided: (trafficClass: TrafficClass, ...reasons: string[]) => DecidedClass,
): DecidedClass {
  if (value !== 'same-region') return decided(value, reason);
  return traits.zonesAreAlike
    ? decided('same-region', 'the zone makes no difference to the price', reason)
    : decided('unknown', 'the zone makes a difference to the price', reason);
}

function peeredReason({ network }: Side): string {
  return `the peer is in network ${network?.name}, which is peered`;
}

/** Why traffic inside a region counts as public; undefined if it does not. */
function publicReason(local: Side, peer: Side, traits: ClassTraits): string | undefined {
  if (local.address === 'public-ipv4' || peer.address === 'public-ipv4') {
    const who = peer.address === 'public-ipv4' ? 'the peer is reached' : 'the local side is seen';
    return `${who} by a public IPv4 address`;
  }
  if (peer.address !== 'public-ipv6' || peer.inOwnNetwork) return undefined;
  if (peer.network === null) return "the peer is a public IPv6 address outside of the cluster's network";
  return traits.ipv6BetweenNetworksIsPublic
    ? `the peer is an IPv6 address of another network, ${peer.network.name}`
    : undefined;
}
