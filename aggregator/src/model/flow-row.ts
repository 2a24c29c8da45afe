// One row of the table `flows`: one leg of one flow, seen from its local side. Filled in steps (enrich, classify, price)
// and appended to a row buffer; the same object may be used again for the next row.

/** How sure the names of a row are. */
export type Resolution = 'exact' | 'ambiguous' | 'stale' | 'folded' | 'none';

/** Where the two sides are to each other. `lost` marks a loss row. */
export type TrafficClass =
  | 'same-node'
  | 'same-zone'
  | 'cross-zone'
  | 'same-region'
  | 'same-region-public'
  | 'cross-region'
  | 'internet'
  | 'provider-service'
  | 'other-provider'
  | 'peered'
  | 'on-premises'
  | 'encapsulation'
  | 'unknown'
  | 'lost';

/** How sure the cost of a row is: a listed or private rate; something was assumed; sources disagree; no rate. */
export type PriceBasis = 'exact' | 'estimated' | 'disputed' | 'none';

/** `merged`: the source counts both directions in one sum, which stands in the tx columns. Null: they are told apart. */
export type DirectionBasis = 'merged';

export type LocalKind = 'pod' | 'node';

export type PeerKind = 'pod' | 'node' | 'service' | 'provider-service' | 'private' | 'internet' | 'unknown';

/** Money: integer count of 1e-12 USD. */
export type PicoUsd = bigint;

/** A row of `flows`. Field names are the column names in camel case; `null` is SQL NULL. The two keys and the two ids of zones are no columns. */
export interface FlowRow {
  /**
   * All rows with this number have the same columns from `localKind` to `ip`, so whoever copies rows need not read them
   * again; 0: nobody says so.
   */
  localKey: number;
  /** The same of the columns from `peerKind` to `peerIp`. */
  peerKey: number;
  /** Id of the zone of each side, the same in all accounts of the provider; null where it is not known. */
  zoneId: string | null;
  peerZoneId: string | null;

  windowStartUs: number;
  windowEndUs: number;

  cluster: string;
  provider: string | null;
  region: string | null;
  zone: string | null;
  node: string;
  localKind: LocalKind | null;
  namespace: string | null;
  workloadKind: string | null;
  workload: string | null;
  pod: string | null;
  /** JSON object of the configured labels, keys sorted, or null. */
  labels: string | null;
  ip: string | null;

  peerKind: PeerKind | null;
  peerCluster: string | null;
  peerProvider: string | null;
  peerRegion: string | null;
  peerZone: string | null;
  peerNode: string | null;
  peerNamespace: string | null;
  peerWorkloadKind: string | null;
  peerWorkload: string | null;
  peerPod: string | null;
  peerName: string | null;
  peerIp: string | null;

  protocol: string | null;
  port: number | null;
  service: string | null;
  initiator: 'local' | 'peer' | null;
  resolution: Resolution | null;

  txBytes: number | null;
  txPackets: number | null;
  rxBytes: number | null;
  rxPackets: number | null;
  connections: number | null;
  lossReason: string | null;
  lostBytesMax: number | null;

  trafficClass: TrafficClass;
  path: string | null;
  txCost: PicoUsd | null;
  rxCost: PicoUsd | null;
  processingCost: PicoUsd | null;
  priceBook: string | null;
  priceBasis: PriceBasis | null;
  directionBasis: DirectionBasis | null;
}
