// A bill worked by hand → the input of the calculator, as an operator would write it down. Knows the words of both, and no figure.
import type { HandWorkedBill } from './hand-worked-bill.ts';

/** Any day; rates hold whatever the day. */
const DATE = '2026-11-10';

/** The network of a peer that is in another one, and an address range for peers whose address does not matter. */
const NETWORK = 'other-network';
const NETWORK_RANGE = '10.99.0.0/16';

/** The cluster of a side that has no account of its own. */
const CLUSTER = 'cluster';

const LOAD_BALANCERS_OF_BOOKS: readonly string[] = ['classic', 'application', 'network'];

/** What `flowtoll price` reads. `earlier`: what the bill has counted already, before it (`soFar`) or as a flow of the month. */
export function billInput(bill: HandWorkedBill, earlier: 'soFar' | 'flows' = 'soFar'): unknown {
  const traffic = trafficOf(bill);
  const counted =
    bill.alreadyThisMonthBytes === undefined
      ? []
      : [{ ...traffic, txBytes: bill.alreadyThisMonthBytes, rxBytes: 0, txPackets: 0, rxPackets: 0 }];
  return {
    version: 1,
    date: DATE,
    pricing: pricingOf(bill),
    soFar: earlier === 'soFar' ? counted : [],
    flows: [...(earlier === 'flows' ? counted : []), traffic],
  };
}

function trafficOf({ local, path, transport, name, txBytes, rxBytes, txPackets, rxPackets, ...bill }: HandWorkedBill) {
  const { account: localAccount, network: _, ...localSide } = local;
  const peer = asSeen(bill.peer);
  const { account: peerAccount, network, geography, service, ...peerSide } = peer;
  return compact({
    name,
    local: compact({ ...localSide, cluster: localAccount ?? CLUSTER }),
    peer: compact({
      ...peerSide,
      cluster: peerAccount,
      network: network && NETWORK,
      destination: geography,
      service: peer.kind === 'provider-service' ? service : undefined,
    }),
    path:
      path &&
      compact({
        path: path.kind,
        zone: path.zone,
        switches:
          path.loadBalancer !== undefined && LOAD_BALANCERS_OF_BOOKS.includes(path.loadBalancer)
            ? { 'load-balancer': path.loadBalancer }
            : undefined,
      }),
    protocol: transport?.protocol,
    port: transport?.port,
    txBytes,
    rxBytes,
    txPackets,
    rxPackets,
  });
}

/** A public address of another network that nobody has connected is for the product one of the internet, with a place. */
function asSeen(peer: HandWorkedBill['peer']): HandWorkedBill['peer'] {
  const { network, ...rest } = peer;
  const isUnconnected = network?.kind === 'own' && peer.ip?.startsWith('2') === true && peer.ip.includes(':');
  return isUnconnected ? { ...rest, kind: 'internet' } : peer;
}

function pricingOf({ local, switches = {}, ...bill }: HandWorkedBill) {
  const peer = asSeen(bill.peer);
  const { provider, region, zone, zoneId, ip, service, network } = peer;
  const values = compact({
    'network-tier': switches.networkTier,
    'routing-preference': switches.routingPreference,
    'inter-zone': switches.interZone,
    gigabyte: switches.gigabyte,
  });
  const charge = compact({
    gatewaySide: switches.chargeGatewaySide === 'yes' ? true : undefined,
    readsFrom: switches.chargeServiceSide === 'yes' ? [service] : undefined,
  });
  return compact({
    version: 1,
    networks: network && [
      compact({ name: NETWORK, ...network, ranges: [ip ?? NETWORK_RANGE], provider, region, zone, zoneId }),
    ],
    switches: Object.keys(values).length === 0 ? undefined : { [local.provider]: values },
    charge: Object.keys(charge).length === 0 ? undefined : charge,
    overlayHeaderBytes: switches.overlayHeaderBytes === undefined ? undefined : Number(switches.overlayHeaderBytes),
  });
}

/** Without what is undefined: a document has no such values. */
function compact(entries: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
}
