// What one sink has done in this process, for metrics.

export interface SinkCounts {
  readonly name: string;
  readonly type: string;
  /** This replica delivers. */
  isHeld: boolean;
  /** Version of the table that the position is in; undefined while another replica delivers, or nobody. */
  positionVersion: number | undefined;
  /** When that version was committed, ms since the Unix epoch. */
  positionMs: number | undefined;
  /** The newest version that is known; -1: none is. */
  newestVersion: number;
  payloads: number;
  items: number;
  bytes: number;
  /** Rows of slices that were delivered. */
  rows: number;
  slices: number;
  /** Requests that failed and were tried again, by reason. */
  readonly retries: Map<string, number>;
  /** Payloads that the receiver refused for good, by reason. */
  readonly deadLetters: Map<string, number>;
  /** Items in them. */
  deadItems: number;
  /** Versions whose rows the table could no longer tell. */
  missedVersions: number;
  /** Leases that ended against this replica's will. */
  leasesLost: number;
}

export function newCounts(name: string, type: string): SinkCounts {
  return {
    ...{ name, type, isHeld: false, positionVersion: undefined, positionMs: undefined, newestVersion: -1 },
    ...{ payloads: 0, items: 0, bytes: 0, rows: 0, slices: 0, retries: new Map(), deadLetters: new Map() },
    ...{ deadItems: 0, missedVersions: 0, leasesLost: 0 },
  };
}

export function countBy(counts: Map<string, number>, reason: string): void {
  counts.set(reason, (counts.get(reason) ?? 0) + 1);
}

/** How far behind a sink is; undefined where this replica does not deliver, and so does not know. */
export function lagOf(
  counts: SinkCounts,
  nowMs: number,
): { readonly ms: number; readonly versions: number } | undefined {
  const { isHeld, positionVersion, positionMs, newestVersion } = counts;
  if (!isHeld || positionVersion === undefined) return undefined;
  const versions = Math.max(0, newestVersion - positionVersion);
  return { versions, ms: versions === 0 || positionMs === undefined ? 0 : Math.max(0, nowMs - positionMs) };
}
