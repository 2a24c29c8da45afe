// A row of `endpoints`: who held an address from when to when, as one aggregator knew it at one time. Times are µs since the Unix
// epoch.

export interface EndpointRow {
  readonly cluster: string;
  /** Canonical text (RFC 5952 for IPv6). */
  readonly address: string;
  readonly kind: 'pod' | 'node';
  /** Of the Kubernetes object. */
  readonly uid: string;
  readonly fromUs: number;
  /** Null: it still held the address. */
  readonly toUs: number | null;
  /** Until when it held it for certain; null where nobody knows. */
  readonly sureUntilUs: number | null;
  /** When it was first heard of. */
  readonly heardUs: number;
  /** When the row was made. */
  readonly recordedUs: number;
  /** Null for nodes, as are the next three and the labels. */
  readonly namespace: string | null;
  readonly pod: string | null;
  readonly workloadKind: string | null;
  readonly workload: string | null;
  readonly node: string;
  readonly provider: string | null;
  readonly region: string | null;
  readonly zone: string | null;
  /** Text of a JSON object. */
  readonly labels: string | null;
  /** Id of the node's zone, the same in all accounts; null where it is not known. */
  readonly zoneId: string | null;
}
