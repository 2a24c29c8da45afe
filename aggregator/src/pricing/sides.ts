// The two sides of a row as prices see them, each made once and numbered: rows of one endpoint have the same side, and so have most
// endpoints of one zone.
import type { FlowRow } from '../model/flow-row.ts';
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

/** Places remembered by the keys of their endpoints: a power of two. */
const REMEMBERED = 65_536;

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
  const localKeys = new Int32Array(REMEMBERED);
  const locals: NumberedSide[] = [];
  const peerKeys = new Int32Array(REMEMBERED);
  const peers: NumberedSide[] = [];

  function intern(side: Side, fitting: RuleSet): NumberedSide {
    const { network, ...plain } = side;
    const text = JSON.stringify([Object.values(plain), network?.name, fitting]);
    let found = known.get(text);
    if (found === undefined) {
      found = { id: known.size, side, rules: fitting };
      known.set(text, found);
    }
    return found;
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
      const slot = row.localKey % REMEMBERED;
      const remembered = locals[slot];
      if (
        row.localKey !== 0 &&
        localKeys[slot] === row.localKey &&
        remembered!.side.zone === zoneOf(row.provider, row.region, row.zone) &&
        remembered!.side.region === row.region
      ) {
        return remembered!;
      }
      const made = makeLocal(row);
      localKeys[slot] = row.localKey;
      locals[slot] = made;
      return made;
    },
    peer(row: FlowRow): NumberedSide {
      const slot = row.peerKey % REMEMBERED;
      if (row.peerKey !== 0 && peerKeys[slot] === row.peerKey) return peers[slot]!;
      const made = makePeer(row);
      peerKeys[slot] = row.peerKey;
      peers[slot] = made;
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
