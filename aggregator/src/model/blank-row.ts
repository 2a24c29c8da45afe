// A row of `flows` before anything is known. Whoever makes rows begins with it.
import type { FlowRow } from './flow-row.ts';

/** A row with nothing in it. */
export function blankRow(cluster: string): FlowRow {
  return {
    localKey: 0,
    peerKey: 0,
    zoneId: null,
    peerZoneId: null,
    windowStartUs: 0,
    windowEndUs: 0,
    cluster,
    provider: null,
    region: null,
    zone: null,
    node: '',
    localKind: null,
    namespace: null,
    workloadKind: null,
    workload: null,
    pod: null,
    labels: null,
    ip: null,
    peerKind: null,
    peerCluster: null,
    peerProvider: null,
    peerRegion: null,
    peerZone: null,
    peerNode: null,
    peerNamespace: null,
    peerWorkloadKind: null,
    peerWorkload: null,
    peerPod: null,
    peerName: null,
    peerIp: null,
    protocol: null,
    port: null,
    service: null,
    initiator: null,
    resolution: null,
    txBytes: null,
    txPackets: null,
    rxBytes: null,
    rxPackets: null,
    connections: null,
    lossReason: null,
    lostBytesMax: null,
    trafficClass: 'unknown',
    path: null,
    txCost: null,
    rxCost: null,
    processingCost: null,
    priceBook: null,
    priceBasis: null,
    directionBasis: null,
  };
}

const NAMES = Object.keys(blankRow('')) as readonly (keyof FlowRow)[];

/** What the row says now, in a row of its own: some rows read what they say from elsewhere, and are used again. */
export function copyOfRow(row: FlowRow): FlowRow {
  return Object.fromEntries(NAMES.map((name) => [name, row[name]])) as never;
}
