// What the agent hands from its accounting to its exporter: the flows of one window as columns, and the losses. Plain
// data: it crosses a thread boundary with its buffers transferred, and knows neither the kernel nor the wire.

/** Flows of one window. Arrays have `count` elements; element i belongs to flow i. */
export interface WindowFlows {
  /** First instant, inclusive; µs since the Unix epoch by the node's clock. */
  readonly windowStartUs: number;
  /** Last instant, exclusive; µs since the Unix epoch by the node's clock. */
  readonly windowEndUs: number;
  readonly count: number;
  /** Number of addresses in `addresses`. */
  readonly addressCount: number;
  /** 16 bytes an address, network byte order; an IPv4 address fills the first 4, the others are 0. */
  readonly addresses: Uint8Array;
  /** 1 where the address is IPv6, else 0. */
  readonly addressIsV6: Uint8Array;
  /** Prefix length in bits of each address: 32 or 128 when it is whole. */
  readonly prefixLengths: Uint8Array;
  /** Index of the address that opened the connection, before source translation. */
  readonly initiator: Uint32Array;
  /** Index of the address that answered, after destination translation. */
  readonly responder: Uint32Array;
  /** 1 + index of the destination asked for, when it was translated; else 0. */
  readonly originalDestination: Uint32Array;
  /** The port asked for, when the destination was translated; else 0. */
  readonly originalDestinationPort: Uint32Array;
  /** 1 + index of the source that the responder saw, when it was translated; else 0. */
  readonly translatedSource: Uint32Array;
  /** IANA protocol number. */
  readonly protocol: Uint8Array;
  /** The responder's port after translation; 0 if none. */
  readonly responderPort: Uint32Array;
  /** Integers below 2^53. */
  readonly initiatorBytes: Float64Array;
  readonly initiatorPackets: Float64Array;
  readonly responderBytes: Float64Array;
  readonly responderPackets: Float64Array;
  /** Entries first accounted in this window. */
  readonly connections: Uint32Array;
  /** 1 where the flow was folded to keep the cap. */
  readonly folded: Uint8Array;
  /** How many flows are folded. */
  readonly foldedCount: number;
  /**
   * Whether the source does not tell directions apart: bytes and packets of both stand in the initiator's columns, and the
   * responder's are 0.
   */
  readonly directionsMerged?: boolean;
  readonly losses: readonly Loss[];
}

/**
 * Why bytes are missing.
 * - events-dropped: the kernel had no room for DESTROY events; the last bytes of those entries are unknown.
 * - vanished: entries are gone from the kernel and no DESTROY event came; their last bytes are unknown.
 * - no-counters: entries without the accounting extension; none of their bytes are known.
 * - counters-reset: another reader zeroed the kernel's counters; what they held since our last reading is unknown.
 * - agent-away: nobody listened; connections that ended meanwhile are not known, or their last bytes are not.
 * - undecodable: messages of the kernel, or entries of Cilium's maps, that could not be read.
 * - source-missing: the source could not be read: what went by meanwhile is not known, or not yet.
 */
export type LossReason =
  | 'events-dropped'
  | 'vanished'
  | 'no-counters'
  | 'counters-reset'
  | 'agent-away'
  | 'source-missing'
  | 'undecodable';

/** Traffic that happened and that the flows do not hold. */
export interface Loss {
  readonly reason: LossReason;
  /** Entries concerned, or undefined where nobody knows. */
  readonly entries: number | undefined;
  /** Bytes of both directions together, or undefined where nobody knows. */
  readonly bytes: number | undefined;
  /** Upper bound of the bytes, where one is known. */
  readonly bytesMax?: number;
  /** When it happened, µs since the Unix epoch, where that is not the window. */
  readonly startUs?: number;
  readonly endUs?: number;
}
