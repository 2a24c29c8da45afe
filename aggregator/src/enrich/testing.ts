// A small cluster and batches for the tests of this directory, without the topology file's code.
import { copyOfRow } from '../model/blank-row.ts';
import type { FlowBatch, Loss } from '../model/flow-batch.ts';
import type { FlowRow } from '../model/flow-row.ts';
import type {
  AddressOwner,
  Identity,
  NodeIdentity,
  Place,
  PodIdentity,
  PrefixSummary,
  ServiceIdentity,
  Topology,
} from '../model/topology.ts';
import { createEnricher, type EnrichCounts } from './enricher.ts';

export const N1: NodeIdentity = {
  kind: 'node',
  name: 'n1',
  provider: 'aws',
  region: 'us-east-1',
  zone: 'us-east-1a',
  zoneId: 'use1-az6',
  addresses: ['172.20.1.1', '10.244.1.1', 'fd00:1::1'],
};
export const N2: NodeIdentity = {
  ...N1,
  name: 'n2',
  zone: 'us-east-1b',
  zoneId: 'use1-az2',
  addresses: ['172.20.2.1'],
};

/** A node of another cluster, and of another account, with the name of one here. */
const FAR: NodeIdentity = {
  ...{ ...N1, cluster: 'eu', region: 'eu-west-1', zone: 'eu-west-1a', zoneId: 'euw1-az3', addresses: [] },
};

function placeOf({ provider, region, zone, zoneId }: NodeIdentity): Place {
  return { provider, region, zone, zoneId: zoneId ?? null };
}

function pod(name: string, node: NodeIdentity): PodIdentity {
  return {
    kind: 'pod',
    namespace: 'shop',
    name,
    node,
    workloadKind: 'Deployment',
    workload: name.split('-')[0] ?? name,
    labels: { app: name, tier: 'x', '7': 'seven' },
  };
}

const WEB_SERVICE: ServiceIdentity = { kind: 'service', namespace: 'shop', name: 'web' };
const SSH_SERVICE: ServiceIdentity = { kind: 'service', namespace: 'shop', name: 'ssh' };

/** An address of both services. */
export const SHARED = '192.0.2.9';

/** Of a pod of cluster `eu`, on a node that has the name of one here. */
export const OTHER_POD = '10.8.0.5';

const IDENTITIES: Readonly<Record<string, Identity>> = {
  '172.20.1.1': N1,
  '10.244.1.1': N1,
  'fd00:1::1': N1,
  '172.20.2.1': N2,
  '10.244.1.2': pod('a-1', N1),
  'fd00:244:1::2': pod('a-1', N1),
  '10.244.1.3': pod('b-1', N1),
  '10.244.2.2': pod('c-2', N2),
  'fd00:244:2::2': pod('c-2', N2),
  [OTHER_POD]: pod('far-1', FAR),
  '10.8.0.1': FAR,
  '10.96.0.10': WEB_SERVICE,
  '198.51.100.0/24': { kind: 'external', name: 'partners', provider: null, region: null, zone: null },
  '172.21.0.9': { kind: 'external', name: 'orders-db', ...placeOf(N2) },
};

const PREFIXES: Readonly<Record<string, PrefixSummary>> = {
  '10.244.1.0/24': { nodes: new Set(['n1']), kind: 'pod', ...placeOf(N1) },
  '10.244.2.0/24': { nodes: new Set(['n2']), kind: 'pod', ...placeOf(N2) },
  '10.244.0.0/16': { nodes: new Set(['n1', 'n2']), kind: 'pod', provider: 'aws', region: 'us-east-1', zone: null },
};

/** Two nodes, three pods, two services, one with node port 30080, two named outside addresses. */
export const TOPOLOGY: Topology = {
  lookupNode: (name) => ({ n1: N1, n2: N2 })[name],
  lookupAddress: (address): AddressOwner | undefined => {
    const identity = address === SHARED ? WEB_SERVICE : IDENTITIES[address];
    return identity && { identity, certainty: address === SHARED ? 'ambiguous' : 'exact' };
  },
  lookupPrefix: (prefix) => PREFIXES[prefix],
  lookupNodePort: (port, protocol, address) => {
    if (address === SHARED) return port === 22 && protocol === 6 ? SSH_SERVICE : undefined;
    return port === 30080 ? WEB_SERVICE : undefined;
  },
  inClusterRanges: (address) => /^(10\.244\.|172\.20\.|9\.9\.)/.test(address),
};

/** A flow as a test writes it. 100 bytes in 10 packets out, 2000 bytes in 20 packets back, unless it says otherwise. */
export interface TestFlow {
  readonly from: string;
  readonly to: string;
  /** Destination asked for, and its port, when translated. */
  readonly asked?: readonly [address: string, port: number];
  /** Source that the responder saw, when translated. */
  readonly as?: string;
  readonly protocol?: number;
  readonly port?: number;
  readonly bytes?: readonly [initiator: number, responder: number];
  readonly folded?: boolean;
}

/** Of all batches, as the ingest does it. */
const texts: string[] = [];

function numberOf(address: string): number {
  if (!texts.includes(address)) texts.push(address);
  return texts.indexOf(address);
}

/** A batch of these flows, as the wire delivers it. */
export function batchOf(node: string, flows: readonly TestFlow[], losses: readonly Loss[] = []): FlowBatch {
  const addresses: string[] = [];
  const indexOf = (address: string): number => {
    if (!addresses.includes(address)) {
      addresses.push(address);
    }
    return addresses.indexOf(address);
  };
  const column = (of: (flow: TestFlow) => number) => Uint32Array.from(flows, of);
  return {
    node,
    epoch: 'spool.boot',
    sequence: 1,
    windowStartUs: 60_000_000,
    windowEndUs: 120_000_000,
    count: flows.length,
    initiator: column((flow) => indexOf(flow.from)),
    responder: column((flow) => indexOf(flow.to)),
    originalDestination: column((flow) => (flow.asked ? 1 + indexOf(flow.asked[0]) : 0)),
    originalDestinationPort: column((flow) => flow.asked?.[1] ?? 0),
    translatedSource: column((flow) => (flow.as === undefined ? 0 : 1 + indexOf(flow.as))),
    protocol: Uint8Array.from(flows, (flow) => flow.protocol ?? 6),
    responderPort: column((flow) => flow.port ?? 8080),
    initiatorBytes: Float64Array.from(flows, (flow) => flow.bytes?.[0] ?? 100),
    initiatorPackets: Float64Array.from(flows, () => 10),
    responderBytes: Float64Array.from(flows, (flow) => flow.bytes?.[1] ?? 2000),
    responderPackets: Float64Array.from(flows, () => 20),
    connections: column(() => 3),
    folded: flows.some((flow) => flow.folded) ? Uint8Array.from(flows, (flow) => (flow.folded ? 1 : 0)) : undefined,
    addressNumbers: Uint32Array.from(addresses, numberOf),
    addressTexts: texts,
    losses,
  };
}

/** All rows of a batch, copied, and the counts. */
export function enrichAll(
  batch: FlowBatch,
  labelKeys: readonly string[] = [],
): { rows: FlowRow[]; counts: EnrichCounts } {
  const enricher = createEnricher({ topology: { snapshot: () => TOPOLOGY }, cluster: 'demo', labelKeys });
  const rows: FlowRow[] = [];
  const counts = enricher.enrich(batch, (row) => rows.push(copyOfRow(row)));
  return { rows, counts };
}
