// The two sides of a row as prices see them, each made once and numbered: rows of one endpoint have the same side, and so have most
// endpoints of one zone.
import type { FlowRow } from '../model/flow-row.ts';
import { KeyNumbers } from '../model/key-numbers.ts';
import { addressKind } from './address-kind.ts';
import type { PricingConfig } from './config/format.ts';
import { networkMap } from './networks.ts';
import { createPathRules, type RuleSet } from './path-rules.ts';
import type { Side } from './side.ts';

/** A side, its number, and the rules that it fits. */
export interface NumberedSide {
  /** From 0, without gaps. */
  readonly id: number;
  readonly side: Side;
  readonly rules: RuleSet;
}

/** Endpoints whose sides are found by their keys, on either side: all of 150,000 pods and 50,000 addresses outside. 4 MiB. */
const REMEMBERED_MAX = 2 ** 18;

/** Sides of rows, each made once. */
export function createSides(config: PricingConfig, inClusterRanges: (address: string) => boolean) {
  const networks = networkMap(config.networks ?? []);
  /** Rows that were summed up have no addresses; what is in a network has its name. */
  const networksByName = new Map((config.networks ?? []).map((network) => [network.name, network]));
  const rules = createPathRules(config.paths ?? []);
  const accounts = new Map(
    (config.accounts ?? []).flatMap(({ name, clusters = [] }) => clusters.map((c) => [c, name])),
  );
  const zoneIds = new Map(
    (config.accounts ?? []).map(({ name, zoneIds: ids = {} }) => [name, new Map(Object.entries(ids))]),
  );
  const known = new Map<string, NumberedSide>();
  /** The side of each id. */
  const numbered: NumberedSide[] = [];
  /** Ids of sides by the keys of endpoints. */
  const locals = new KeyNumbers('counted');
  const peers = new KeyNumbers('counted');

  function intern(side: Side, fitting: RuleSet): NumberedSide {
    const { network, ...plain } = side;
    const text = JSON.stringify([Object.values(plain), network?.name, fitting]);
    let found = known.get(text);
    if (found === undefined) {
      found = { id: known.size, side, rules: fitting };
      known.set(text, found);
      numbered.push(found);
    }
    return found;
  }

  function remember(ids: KeyNumbers, key: number, id: number): void {
    if (key === 0) return;
    if (ids.size >= REMEMBERED_MAX) ids.clear();
    ids.set(key, id);
  }

  function kindOf(ip: string | null): Side['address'] {
    const kind = addressKind(ip);
    return kind === 'public-ipv4' && inClusterRanges(ip!) ? 'private-ipv4' : kind;
  }

  function accountOf(cluster: string | null): string {
    return cluster === null ? '' : (accounts.get(cluster) ?? cluster);
  }

  function idOf(account: string, zone: string | null, zoneId: string | null): string | null {
    return zoneId ?? (zone === null ? null : (zoneIds.get(account)?.get(zone) ?? null));
  }

  function makeLocal(row: FlowRow): NumberedSide {
    const account = accountOf(row.cluster);
    const side = {
      kind: row.localKind,
      provider: row.provider,
      region: row.region,
      zone: zoneOf(row.provider, row.region, row.zone),
      zoneId: idOf(account, row.zone, row.zoneId),
      account,
      address: kindOf(row.ip),
      inOwnNetwork: true,
      network: null,
      service: null,
    };
    return intern(side, rules.fromFits(side, row.node, row.ip));
  }

  function networkNamed(row: FlowRow) {
    return row.peerName === null || row.peerName === serviceOf(row) ? undefined : networksByName.get(row.peerName);
  }

  function makePeer(row: FlowRow): NumberedSide {
    const isOwn = row.peerCluster === row.cluster;
    const network = isOwn ? undefined : row.peerIp === null ? networkNamed(row) : networks.get(row.peerIp);
    const account = network?.account ?? accountOf(row.peerCluster ?? row.cluster);
    const side: Side = {
      kind: row.peerKind,
      provider: row.peerProvider,
      region: row.peerRegion,
      zone: zoneOf(row.peerProvider, row.peerRegion, row.peerZone),
      zoneId: idOf(account, row.peerZone, row.peerZoneId),
      account,
      address: kindOf(row.peerIp),
      inOwnNetwork: isOwn || network?.kind === 'own' || (network === undefined && isInside(row)),
      network: network ?? null,
      service: serviceOf(row),
    };
    return intern(side, rules.toFits(side, row.peerIp));
  }

  return {
    rules,
    local(row: FlowRow): NumberedSide {
      const known = row.localKey === 0 ? -1 : locals.find(row.localKey);
      const remembered = known === -1 ? undefined : numbered[known]!;
      if (
        remembered?.side.region === row.region &&
        remembered.side.zone === zoneOf(row.provider, row.region, row.zone)
      ) {
        return remembered;
      }
      const made = makeLocal(row);
      remember(locals, row.localKey, made.id);
      return made;
    },
    peer(row: FlowRow): NumberedSide {
      const known = row.peerKey === 0 ? -1 : peers.find(row.peerKey);
      if (known !== -1) return numbered[known]!;
      const made = makePeer(row);
      remember(peers, row.peerKey, made.id);
      return made;
    },
  };
}

/** The provider's word for its service. Where no operator has named the address, and in rows of before it had a column, it is the name. */
function serviceOf({ peerKind, peerWorkloadKind, peerName }: FlowRow): string | null {
  return peerKind === 'provider-service' ? (peerWorkloadKind ?? peerName) : null;
}

/** Machines of another cluster, and private addresses with a place, are in the own network unless a configured network says otherwise. */
function isInside({ peerKind, peerCluster }: FlowRow): boolean {
  return peerCluster !== null || (peerKind !== 'internet' && peerKind !== 'provider-service' && peerKind !== 'unknown');
}

/** Where an Azure node is in no zone, its label is a fault domain: "0". */
function zoneOf(provider: string | null, region: string | null, zone: string | null): string | null {
  const isFaultDomain = provider === 'azure' && zone !== null && region !== null && !zone.startsWith(`${region}-`);
  return isFaultDomain ? null : zone;
}
