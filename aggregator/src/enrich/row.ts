// Fills the columns of a row that say who and how much. Price columns are left as an unpriced row has them.

import { blankRow } from '../model/blank-row.ts';
import type { FlowBatch, Loss } from '../model/flow-batch.ts';
import type { FlowRow, Resolution } from '../model/flow-row.ts';
import type { NodeIdentity } from '../model/topology.ts';
import type { Endpoint } from './endpoint.ts';

/** Prepares the row for the next leg: what an earlier leg or pricing left behind is gone. */
export function resetPrice(row: FlowRow): void {
  row.trafficClass = 'unknown';
  row.path = null;
  row.txCost = null;
  row.rxCost = null;
  row.processingCost = null;
  row.priceBook = null;
  row.priceBasis = null;
}

/** What all rows of a batch share: the window, and the reporting node with its place, if the topology has it. */
export function setReporter(row: FlowRow, batch: FlowBatch, node: NodeIdentity | undefined): void {
  row.windowStartUs = batch.windowStartUs;
  row.windowEndUs = batch.windowEndUs;
  row.provider = node?.provider ?? null;
  row.region = node?.region ?? null;
  row.zone = node?.zone ?? null;
  row.zoneId = node?.zoneId ?? null;
  row.node = batch.node;
}

/** The local side is this endpoint, which is on the reporting node. */
export function setLocal(row: FlowRow, local: Endpoint): void {
  row.localKey = local.key;
  row.localKind = local.localKind;
  row.namespace = local.namespace;
  row.workloadKind = local.workloadKind;
  row.workload = local.workload;
  row.pod = local.pod;
  row.labels = local.labels;
  row.ip = local.address;
}

/** The local side is the reporting node itself (`node`), or something on it that nobody can name (null). */
export function setLocalUnnamed(row: FlowRow, kind: 'node' | null, ip: string | null): void {
  row.localKey = 0;
  row.localKind = kind;
  row.namespace = null;
  row.workloadKind = null;
  row.workload = null;
  row.pod = null;
  row.labels = null;
  row.ip = ip;
}

/** The peer is this endpoint. */
export function setPeer(row: FlowRow, peer: Endpoint): void {
  row.peerKey = peer.key;
  row.peerKind = peer.peerKind;
  row.peerCluster = peer.inCluster ? row.cluster : peer.otherCluster;
  row.peerProvider = peer.provider;
  row.peerRegion = peer.region;
  row.peerZone = peer.zone;
  row.peerZoneId = peer.zoneId;
  row.peerNode = peer.node;
  row.peerNamespace = peer.namespace;
  row.peerWorkloadKind = peer.workloadKind;
  row.peerWorkload = peer.workload;
  row.peerPod = peer.pod;
  row.peerName = peer.name;
  row.peerIp = peer.address;
}

/** Counters of flow `index`, seen from the side that is local. */
export function setCounters(row: FlowRow, batch: FlowBatch, index: number, localIsInitiator: boolean): void {
  const initiatorBytes = batch.initiatorBytes[index]!;
  const initiatorPackets = batch.initiatorPackets[index]!;
  const responderBytes = batch.responderBytes[index]!;
  const responderPackets = batch.responderPackets[index]!;
  row.initiator = localIsInitiator ? 'local' : 'peer';
  row.txBytes = localIsInitiator ? initiatorBytes : responderBytes;
  row.txPackets = localIsInitiator ? initiatorPackets : responderPackets;
  row.rxBytes = localIsInitiator ? responderBytes : initiatorBytes;
  row.rxPackets = localIsInitiator ? responderPackets : initiatorPackets;
  row.connections = batch.connections[index]!;
  row.directionBasis = null;
  if (batch.directionsMerged) setMerged(row, initiatorBytes, initiatorPackets);
}

/** Both directions are one sum: whichever side is local, it stands where what is sent does. */
function setMerged(row: FlowRow, bytes: number, packets: number): void {
  row.directionBasis = 'merged';
  row.txBytes = bytes;
  row.txPackets = packets;
  row.rxBytes = 0;
  row.rxPackets = 0;
}

const DOUBT: Readonly<Record<Resolution, number>> = { exact: 0, ambiguous: 1, stale: 2, folded: 3, none: 4 };

/** The less certain of two resolutions. */
export function worseResolution(a: Resolution, b: Resolution): Resolution {
  return DOUBT[a] >= DOUBT[b] ? a : b;
}

/**
 * A new row for traffic that happened and that no flow holds. Where the lost bytes are known, they are all in `txBytes`,
 * both directions together, because nobody knows which way they went; `rxBytes` stays null.
 */
export function lossRow(loss: Loss, cluster: string, reporterName: string, node: NodeIdentity | undefined): FlowRow {
  return {
    ...blankRow(cluster),
    windowStartUs: loss.startUs,
    windowEndUs: loss.endUs,
    provider: node?.provider ?? null,
    region: node?.region ?? null,
    zone: node?.zone ?? null,
    zoneId: node?.zoneId ?? null,
    node: reporterName,
    txBytes: loss.bytes ?? null,
    connections: loss.entries ?? null,
    lossReason: loss.reason,
    lostBytesMax: loss.bytesMax ?? null,
    trafficClass: 'lost',
  };
}
