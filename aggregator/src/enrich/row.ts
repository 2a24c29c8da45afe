// The row of a leg: who and how much. What its sides are is read from their endpoints when somebody asks: most who take a row know both sides
// by their keys and never do. Price columns are left as an unpriced row has them.

import { blankRow } from '../model/blank-row.ts';
import type { FlowBatch, Loss } from '../model/flow-batch.ts';
import type { FlowRow, LocalKind, PeerKind, Resolution } from '../model/flow-row.ts';
import type { NodeIdentity } from '../model/topology.ts';
import type { Endpoint } from './endpoint.ts';

/** What a row says of its local side. */
type LocalSide = Pick<Endpoint, 'key' | 'localKind' | 'namespace' | 'workloadKind' | 'workload' | 'pod' | 'labels'> & {
  readonly address: string | null;
};

/** The local side is the reporting node itself (`node`), or something on it that nobody can name (null). */
class UnnamedSide implements LocalSide {
  readonly key = 0;
  localKind: 'node' | null = null;
  address: string | null = null;
  readonly namespace = null;
  readonly workloadKind = null;
  readonly workload = null;
  readonly pod = null;
  readonly labels = null;
}

/**
 * Before there is a number. V8 lets a field that has held something else hand its number on as it is; of one that has held numbers alone,
 * each of the many readers of a row would get a copy.
 */
const NOT_YET = null as never;

/** Used again for each leg: whoever keeps it copies what it says. */
export class LegRow implements FlowRow {
  readonly cluster: string;
  #local: LocalSide;
  /** Undefined until the first leg. */
  #peer: Endpoint | undefined;
  readonly #unnamed = new UnnamedSide();

  zoneId: string | null = null;
  windowStartUs: number = NOT_YET;
  windowEndUs: number = NOT_YET;
  provider: string | null = null;
  region: string | null = null;
  zone: string | null = null;
  node = '';

  protocol: string | null = null;
  port: number | null = null;
  service: string | null = null;
  initiator: FlowRow['initiator'] = null;
  resolution: Resolution | null = null;
  txBytes: number = NOT_YET;
  txPackets: number = NOT_YET;
  rxBytes: number = NOT_YET;
  rxPackets: number = NOT_YET;
  connections: number = NOT_YET;
  readonly lossReason = null;
  readonly lostBytesMax = null;

  trafficClass: FlowRow['trafficClass'] = 'unknown';
  path: string | null = null;
  txCost: FlowRow['txCost'] = null;
  rxCost: FlowRow['rxCost'] = null;
  processingCost: FlowRow['processingCost'] = null;
  priceBook: string | null = null;
  priceBasis: FlowRow['priceBasis'] = null;
  directionBasis: FlowRow['directionBasis'] = null;

  constructor(cluster: string) {
    this.cluster = cluster;
    this.#local = this.#unnamed;
  }

  get localKey(): number {
    return this.#local.key;
  }
  get localKind(): LocalKind | null {
    return this.#local.localKind;
  }
  get namespace(): string | null {
    return this.#local.namespace;
  }
  get workloadKind(): string | null {
    return this.#local.workloadKind;
  }
  get workload(): string | null {
    return this.#local.workload;
  }
  get pod(): string | null {
    return this.#local.pod;
  }
  get labels(): string | null {
    return this.#local.labels;
  }
  get ip(): string | null {
    return this.#local.address;
  }

  get peerKey(): number {
    return this.#peer!.key;
  }
  get peerKind(): PeerKind {
    return this.#peer!.peerKind;
  }
  get peerCluster(): string | null {
    return this.#peer!.inCluster ? this.cluster : this.#peer!.otherCluster;
  }
  get peerProvider(): string | null {
    return this.#peer!.provider;
  }
  get peerRegion(): string | null {
    return this.#peer!.region;
  }
  get peerZone(): string | null {
    return this.#peer!.zone;
  }
  get peerZoneId(): string | null {
    return this.#peer!.zoneId;
  }
  get peerNode(): string | null {
    return this.#peer!.node;
  }
  get peerNamespace(): string | null {
    return this.#peer!.namespace;
  }
  get peerWorkloadKind(): string | null {
    return this.#peer!.workloadKind;
  }
  get peerWorkload(): string | null {
    return this.#peer!.workload;
  }
  get peerPod(): string | null {
    return this.#peer!.pod;
  }
  get peerName(): string | null {
    return this.#peer!.name;
  }
  get peerIp(): string {
    return this.#peer!.address;
  }

  /** What all rows of a batch share: the window, and the reporting node with its place, if the topology has it. */
  setReporter(batch: FlowBatch, node: NodeIdentity | undefined): void {
    this.windowStartUs = batch.windowStartUs;
    this.windowEndUs = batch.windowEndUs;
    this.provider = node?.provider ?? null;
    this.region = node?.region ?? null;
    this.zone = node?.zone ?? null;
    this.zoneId = node?.zoneId ?? null;
    this.node = batch.node;
  }

  /** The local side is this endpoint, which is on the reporting node. */
  setLocal(local: Endpoint): void {
    this.#local = local;
  }

  setLocalUnnamed(kind: 'node' | null, ip: string | null): void {
    this.#unnamed.localKind = kind;
    this.#unnamed.address = ip;
    this.#local = this.#unnamed;
  }

  /** Begins the row of a leg to this peer: what pricing left behind is gone. */
  setPeer(peer: Endpoint): void {
    this.#peer = peer;
    this.trafficClass = 'unknown';
    this.path = null;
    this.txCost = null;
    this.rxCost = null;
    this.processingCost = null;
    this.priceBook = null;
    this.priceBasis = null;
  }

  /** Counters of flow `index`, seen from the side that is local. */
  setCounters(batch: FlowBatch, index: number, localIsInitiator: boolean): void {
    const initiatorBytes = batch.initiatorBytes[index]!;
    const initiatorPackets = batch.initiatorPackets[index]!;
    const responderBytes = batch.responderBytes[index]!;
    const responderPackets = batch.responderPackets[index]!;
    this.initiator = localIsInitiator ? 'local' : 'peer';
    this.txBytes = localIsInitiator ? initiatorBytes : responderBytes;
    this.txPackets = localIsInitiator ? initiatorPackets : responderPackets;
    this.rxBytes = localIsInitiator ? responderBytes : initiatorBytes;
    this.rxPackets = localIsInitiator ? responderPackets : initiatorPackets;
    this.connections = batch.connections[index]!;
    this.directionBasis = null;
    if (batch.directionsMerged) this.#setMerged(initiatorBytes, initiatorPackets);
  }

  /** Both directions are one sum: whichever side is local, it stands where what is sent does. */
  #setMerged(bytes: number, packets: number): void {
    this.directionBasis = 'merged';
    this.txBytes = bytes;
    this.txPackets = packets;
    this.rxBytes = 0;
    this.rxPackets = 0;
  }
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
