// A row for the tests of this directory: two pods, nothing known about them but what a test gives.
import type { FlowRow } from '../model/flow-row.ts';

/** A row between pods on two nodes of one cluster. */
export function testRow(fields: Partial<FlowRow>): FlowRow {
  return {
    ...{ localKey: 0, peerKey: 0, zoneId: null, peerZoneId: null },
    windowStartUs: 0,
    windowEndUs: 60_000_000,
    cluster: 'test',
    provider: null,
    region: null,
    zone: null,
    node: 'n1',
    localKind: 'pod',
    namespace: 'shop',
    workloadKind: 'Deployment',
    workload: 'web',
    pod: 'web-1',
    labels: null,
    ip: '10.244.1.2',
    peerKind: 'pod',
    peerCluster: 'test',
    peerProvider: null,
    peerRegion: null,
    peerZone: null,
    peerNode: 'n2',
    peerNamespace: 'shop',
    peerWorkloadKind: 'Deployment',
    peerWorkload: 'db',
    peerPod: 'db-1',
    peerName: null,
    peerIp: '10.244.2.2',
    protocol: 'tcp',
    port: 5432,
    service: null,
    initiator: 'local',
    resolution: 'exact',
    txBytes: 0,
    txPackets: 0,
    rxBytes: 0,
    rxPackets: 0,
    connections: 1,
    lossReason: null,
    lostBytesMax: null,
    trafficClass: 'unknown',
    path: null,
    txCost: null,
    rxCost: null,
    processingCost: null,
    priceBook: null,
    priceBasis: null,
    ...fields,
  };
}

/** The local side is in this place. */
export function at(provider: string | null, region: string | null, zone: string | null = null): Partial<FlowRow> {
  return { provider, region, zone };
}

/** The peer is a pod in this place. */
export function peerAt(provider: string | null, region: string | null, zone: string | null = null): Partial<FlowRow> {
  return { peerProvider: provider, peerRegion: region, peerZone: zone };
}

/** The peer is somewhere on the internet. */
export const TO_INTERNET: Partial<FlowRow> = {
  peerKind: 'internet',
  peerCluster: null,
  peerNode: null,
  peerNamespace: null,
  peerWorkloadKind: null,
  peerWorkload: null,
  peerPod: null,
  peerIp: '203.0.113.9',
};
