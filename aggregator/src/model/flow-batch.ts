// A batch of flows as the aggregator works with it: validated columns, addresses as text. No wire types, no rows.

/** Flows of one agent in one window. Arrays have `count` elements; element i belongs to flow i. */
export interface FlowBatch {
  /** Name of the reporting node. */
  readonly node: string;
  /** One life of the node's kernel. */
  readonly epoch: string;
  /** Position of the batch in its epoch, from 1. */
  readonly sequence: number;
  /** First instant, inclusive; µs since the Unix epoch, UTC. */
  readonly windowStartUs: number;
  /** Last instant, exclusive; µs since the Unix epoch, UTC. */
  readonly windowEndUs: number;
  /** Number of flows. */
  readonly count: number;
  /** Number of each address of the batch. */
  readonly addressNumbers: Uint32Array;
  /**
   * By number the canonical text of an address (RFC 5952 for IPv6), with "/24" and the like appended when it is a prefix. One array for all
   * batches, until there are too many addresses: then another.
   */
  readonly addressTexts: readonly string[];
  /** Index into `addressNumbers`: who opened the connection, before source translation. */
  readonly initiator: Uint32Array;
  /** Index into `addressNumbers`: who answered, after destination translation. */
  readonly responder: Uint32Array;
  /** 1 + index into `addressNumbers` of the destination asked for, when it was translated; else 0. */
  readonly originalDestination: Uint32Array;
  /** The port asked for, when the destination was translated; else 0. */
  readonly originalDestinationPort: Uint32Array;
  /** 1 + index into `addressNumbers` of the source that the responder saw, when it was translated; else 0. */
  readonly translatedSource: Uint32Array;
  /** IANA protocol number. */
  readonly protocol: Uint8Array;
  /** The responder's port after translation; 0 if none. */
  readonly responderPort: Uint32Array;
  /** Sent by the initiator; integers below 2^53. */
  readonly initiatorBytes: Float64Array;
  readonly initiatorPackets: Float64Array;
  /** Sent by the responder; integers below 2^53. */
  readonly responderBytes: Float64Array;
  readonly responderPackets: Float64Array;
  /** Entries first accounted in this window. */
  readonly connections: Uint32Array;
  /** 1 where the flow was folded to keep the agent's cap; undefined when none was. */
  readonly folded: Uint8Array | undefined;
  readonly losses: readonly Loss[];
  /** The source counts both directions in one sum: the initiator's counters have it, the responder's are zero. */
  readonly directionsMerged?: true;
  /** Addresses of the node's interfaces, as canonical text, as far as its agent says them. */
  readonly nodeAddresses?: ReadonlySet<string>;
}

/** Gives back the memory of the columns at once; the batch must not be read afterwards. (See proto/src/memory.ts.) */
export function freeColumns(batch: FlowBatch): void {
  for (const value of Object.values(batch)) {
    if (!ArrayBuffer.isView(value)) continue;
    const { buffer } = value;
    if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffer.transfer(0);
  }
}

/** Traffic that happened and that the flows do not hold. */
export interface Loss {
  readonly reason: string;
  /** Entries concerned, or undefined where nobody knows. */
  readonly entries: number | undefined;
  /** Bytes of both directions together, or undefined where nobody knows. */
  readonly bytes: number | undefined;
  /** Upper bound of the bytes, or undefined where none is known. */
  readonly bytesMax: number | undefined;
  /** Interval; that of the batch where the agent gave none. */
  readonly startUs: number;
  readonly endUs: number;
}
