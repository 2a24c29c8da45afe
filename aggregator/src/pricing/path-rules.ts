// What lies between two sides, by the rules of the configuration. A rule is asked in three steps, so that most of it is asked once for
// each address: does it fit the local side, does it fit the peer, does it fit the class of the two and the service between them.
import type { FlowRow, TrafficClass } from '../model/flow-row.ts';
import type { PathRule } from './config/format.ts';
import { PrefixMap } from './networks.ts';
import type { Side } from './side.ts';

const NAT_GATEWAY = 'nat-gateway';

/** A set of rules, by their place in the list. */
export type RuleSet = readonly number[];

export interface PathRules {
  /** Whether some rule asks for the service of the cluster that a flow went through. */
  readonly asksForServices: boolean;
  /** Rules whose `from` fits the local side of a row. */
  fromFits(local: Omit<Side, 'inOwnNetwork'>, node: string, ip: string | null): RuleSet;
  /** Rules whose `to` fits the peer of a row, as far as the peer alone can say. */
  toFits(peer: Side, ip: string | null): RuleSet;
  /** The first rule of both sets that fits the two together. */
  find(
    from: RuleSet,
    to: RuleSet,
    peer: Side,
    trafficClass: TrafficClass,
    service: FlowRow['service'],
  ): PathRule | undefined;
  /** Rules that may have said the path of a row whose addresses, node and service nobody knows any more; in order. */
  mayHaveSaid(path: string, local: Side, peer: Side, trafficClass: TrafficClass): readonly PathRule[];
}

export function createPathRules(rules: readonly PathRule[]): PathRules {
  const subnets = rules.map(({ from }) => from?.subnets && prefixSet(from.subnets));
  const ranges = rules.map(({ to }) => to?.ranges && prefixSet(to.ranges));
  const select = (fits: (rule: PathRule, index: number) => boolean): RuleSet =>
    rules.flatMap((rule, index) => (fits(rule, index) ? [index] : []));

  /** What a rule asks of a place, without addresses and names of nodes. */
  const isFrom = ({ from = {} }: PathRule, local: Omit<Side, 'inOwnNetwork'>) =>
    isNamed(from.providers, local.provider) &&
    isNamed(from.regions, local.region) &&
    (isNamed(from.zones, local.zone) || (local.zoneId !== null && isNamed(from.zones, local.zoneId)));
  const isTo = ({ to = {} }: PathRule, peer: Side) =>
    isNamed(to.services, peer.service) &&
    isNamed(to.networks, peer.network?.name ?? null) &&
    (to.peerKinds === undefined || to.peerKinds.some((kind) => kind === peer.kind));

  return {
    asksForServices: rules.some(({ to }) => to?.kubernetesServices !== undefined),
    fromFits: (local, node, ip) =>
      select((rule, index) => isFrom(rule, local) && isNamed(rule.from?.nodes, node) && isIn(subnets[index], ip)),
    toFits: (peer, ip) => select((rule, index) => isFamily(rule, peer) && isTo(rule, peer) && isIn(ranges[index], ip)),
    mayHaveSaid: (path, local, peer, trafficClass) =>
      rules.filter(
        (rule) => rule.path === path && isFrom(rule, local) && isTo(rule, peer) && isClass(rule, peer, trafficClass),
      ),
    find(from, to, peer, trafficClass, service) {
      const index = from.find((candidate) => {
        const rule = rules[candidate]!;
        return (
          to.includes(candidate) && isClass(rule, peer, trafficClass) && isNamed(rule.to?.kubernetesServices, service)
        );
      });
      return index === undefined ? undefined : rules[index];
    },
  };
}

/** A NAT gateway stands at the edge of the own network, whatever a rule says. */
function isClass(rule: PathRule, peer: Side, trafficClass: TrafficClass): boolean {
  if (peer.inOwnNetwork && (rule.path === NAT_GATEWAY || (rule.to?.classes === undefined && !asksWithin(rule)))) {
    return false;
  }
  return rule.to?.classes === undefined || rule.to.classes.some((wanted) => wanted === trafficClass);
}

/** Rules that name addresses or services of the cluster mean the inside of the own network, too. */
function asksWithin({ to }: PathRule): boolean {
  return to?.ranges !== undefined || to?.kubernetesServices !== undefined || to?.peerKinds !== undefined;
}

function isFamily({ family, path }: PathRule, peer: Side): boolean {
  const wanted = family ?? (path === NAT_GATEWAY ? 'ipv4' : 'any');
  return wanted === 'any' || peer.address === 'none' || peer.address.endsWith(wanted);
}

function isNamed(names: readonly string[] | undefined, name: string | null): boolean {
  return (
    names === undefined ||
    (name !== null &&
      names.some((wanted) => (wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : wanted === name)))
  );
}

function prefixSet(ranges: readonly string[]): PrefixMap<true> {
  return new PrefixMap([{ ranges, value: true }]);
}

function isIn(prefixes: PrefixMap<true> | undefined, ip: string | null): boolean {
  return prefixes === undefined || (ip !== null && prefixes.get(ip) === true);
}
