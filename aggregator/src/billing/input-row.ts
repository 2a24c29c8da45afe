// A flow of the calculator's input → the row that the pipeline would have made of it. What nobody said is null, or the default that the
// format states.
import ipaddr from 'ipaddr.js';
import { canonicalText, parsePrefix } from '../document/address.ts';
import type { Problems } from '../document/problems.ts';
import { blankRow } from '../model/blank-row.ts';
import type { FlowRow } from '../model/flow-row.ts';
import type { NetworkEntry } from '../pricing/config/format.ts';
import { networkMap, type PrefixMap } from '../pricing/networks.ts';
import { parseByteCount } from './byte-count.ts';
import type { InputFlow } from './price-input.ts';

/** Private addresses that no rule or network names, unless somebody's ranges are all of IPv4: of the reserved block. */
const DEFAULT_LOCAL_IP = '240.0.0.1';
const DEFAULT_PEER_IP = '240.0.0.2';

const DEFAULT_CLUSTER = 'cluster';
const DEFAULT_NODE = 'node';
const DEFAULT_PROTOCOL = 'tcp';
const DEFAULT_PORT = 443;
const WINDOW_US = 60_000_000;

/** The row without addresses that nobody gave; for people. */
export function withoutDefaultAddresses(row: FlowRow): FlowRow {
  return {
    ...row,
    ip: row.ip === DEFAULT_LOCAL_IP ? null : row.ip,
    peerIp: row.peerIp === DEFAULT_PEER_IP ? null : row.peerIp,
  };
}

/** Networks of the configuration, as rows of the calculator are placed in them. */
export interface Networks {
  readonly byName: ReadonlyMap<string, NetworkEntry>;
  readonly byAddress: PrefixMap<NetworkEntry>;
}

export function networksOf(networks: readonly NetworkEntry[]): Networks {
  return { byName: new Map(networks.map((network) => [network.name, network])), byAddress: networkMap(networks) };
}

/** The row, without prices; adds to `problems`, whose place is the flow's, what is wrong with it. */
export function inputRow(
  flow: InputFlow,
  defaultDate: string | undefined,
  networks: Networks,
  problems: Problems,
): FlowRow {
  const { local, peer } = flow;
  const date = flow.date ?? defaultDate;
  if (date === undefined) problems.add(['date'], 'is missing; give the day here, or for the whole document');
  const startUs = Date.parse(date ?? '1970-01-01') * 1000;
  checkPlace(local, ['local'], problems);
  if (peer.network === undefined) checkPlace(peer, ['peer'], problems);
  const cluster = local.cluster ?? DEFAULT_CLUSTER;
  const node = local.node ?? DEFAULT_NODE;
  return {
    ...blankRow(cluster),
    windowStartUs: startUs,
    windowEndUs: startUs + WINDOW_US,
    provider: local.provider ?? null,
    region: local.region ?? null,
    zone: local.zone ?? null,
    zoneId: local.zoneId ?? null,
    node,
    localKind: local.kind ?? 'pod',
    ip: local.ip === undefined ? DEFAULT_LOCAL_IP : canonicalPrefix(local.ip),
    ...peerColumns(flow, cluster, networks, problems),
    protocol: flow.protocol ?? DEFAULT_PROTOCOL,
    port: flow.port ?? DEFAULT_PORT,
    service: flow.kubernetesService ?? null,
    initiator: 'local',
    resolution: 'exact',
    txBytes: byteCount(flow.txBytes),
    rxBytes: byteCount(flow.rxBytes),
    txPackets: flow.txPackets ?? 0,
    rxPackets: flow.rxPackets ?? 0,
    lossReason: flow.loss ?? null,
  };
}

function peerColumns({ local, peer }: InputFlow, cluster: string, networks: Networks, problems: Problems) {
  const below = problems.below(['peer']);
  const isService = peer.kind === 'provider-service';
  if (isService && peer.service === undefined)
    below.add(['service'], 'is missing; name it as address ranges do, such as S3');
  if (!isService && peer.service !== undefined) below.add(['service'], 'is for kind provider-service only; remove it');
  if (peer.destination !== undefined && local.provider === undefined) {
    below.add(['destination'], 'needs the provider of the local side, whose price it changes');
  }
  const isOfCluster = peer.kind === 'pod' || peer.kind === 'node' || peer.kind === 'service';
  const peerIp = peerAddress({ local, peer }, isOfCluster, networks, below);
  const isElsewhere = peer.network !== undefined || !isOfCluster;
  const peerCluster = peer.cluster ?? (isElsewhere ? null : cluster);
  // As the topology does: what nobody else knows has the place of its network.
  const isKnownOtherwise = isOfCluster && peer.network === undefined;
  const network = isKnownOtherwise || peerIp === undefined ? undefined : networks.byAddress.get(peerIp);
  const { provider, region, zone, zoneId } =
    network !== undefined && peer.region === undefined ? { ...network, ...placeOf(peer) } : peer;
  return {
    peerKind: peer.kind,
    peerCluster,
    peerProvider: provider ?? null,
    peerRegion: region ?? null,
    peerZone: zone ?? null,
    peerZoneId: zoneId ?? null,
    peerNode: peer.node ?? null,
    peerName: peer.service ?? network?.name ?? null,
    peerIp: peerIp ?? null,
  } satisfies Partial<FlowRow>;
}

function placeOf({ provider, region, zone, zoneId }: InputFlow['peer']) {
  const given = Object.entries({ provider, region, zone, zoneId }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { provider?: string; region?: string; zone?: string; zoneId?: string };
}

function peerAddress(
  { local, peer }: Pick<InputFlow, 'local' | 'peer'>,
  isOfCluster: boolean,
  networks: Networks,
  problems: Problems,
): string | undefined {
  const ip = peer.ip === undefined ? undefined : canonicalPrefix(peer.ip);
  if (peer.network === undefined) return ip ?? (isOfCluster ? DEFAULT_PEER_IP : undefined);
  const network = networks.byName.get(peer.network);
  if (network === undefined) {
    const known = [...networks.byName.keys()].join(', ') || 'none';
    problems.add(['network'], `${peer.network} is not in networks of the configuration; there are ${known}`);
    return ip;
  }
  if (ip !== undefined) {
    const owner = networks.byAddress.get(ip);
    if (owner !== network)
      problems.add(['ip'], `${ip} is in ${owner?.name ?? 'no network'}, not in ${peer.network}; leave one`);
    return ip;
  }
  const own = addressIn(network, networks, local.ip?.includes(':') === true);
  if (own === undefined)
    problems.add(['network'], `all that was tried of ${peer.network} is in longer prefixes of others; give an ip`);
  return own;
}

/** Some address that is in this network and in no other's longer prefix; of the wanted family, if there is one. */
function addressIn(network: NetworkEntry, networks: Networks, wantsIpv6: boolean): string | undefined {
  const isWanted = (range: string) => range.includes(':') === wantsIpv6;
  return network.ranges
    .toSorted((a, b) => Number(isWanted(b)) - Number(isWanted(a)))
    .flatMap(endsOf)
    .find((address) => networks.byAddress.get(address) === network);
}

function endsOf(range: string): string[] {
  const parsed = parsePrefix(range, true);
  if ('problem' in parsed) return [];
  const { network, bits } = parsed.value;
  const last = network.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6;
  return [network, last.broadcastAddressFromCIDR(`${canonicalText(network)}/${bits}`)].map(canonicalText);
}

function checkPlace(
  place: Pick<InputFlow['local'], 'provider' | 'region' | 'zone' | 'zoneId'>,
  path: readonly PropertyKey[],
  problems: Problems,
): void {
  if (place.region !== undefined && place.provider === undefined) {
    problems.add([...path, 'region'], 'needs its provider beside it');
  }
  for (const key of ['zone', 'zoneId'] as const) {
    if (place[key] !== undefined && place.region === undefined)
      problems.add([...path, key], 'needs its region beside it');
  }
}

/** Rows have canonical text. */
function canonicalPrefix(text: string): string {
  const parsed = parsePrefix(text, true);
  if ('problem' in parsed) return text;
  const { network, bits } = parsed.value;
  const address = canonicalText(network);
  return text.includes('/') ? `${address}/${bits}` : address;
}

/** The format has refused what is none. */
function byteCount(bytes: number | string | undefined): number {
  if (typeof bytes !== 'string') return bytes ?? 0;
  const parsed = parseByteCount(bytes);
  return 'problem' in parsed ? 0 : parsed.value;
}
