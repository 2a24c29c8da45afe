// The columns of a batch in memory, on either side of the wire. Plain data with the agent's WindowFlows as a structural
// superset: this package imports neither side.

/** Flows as columns. Arrays have at least `count` elements; element i belongs to flow i. */
export interface FlowArrays {
  /** Number of flows. */
  readonly count: number;
  /** Number of addresses. */
  readonly addressCount: number;
  /** 16 bytes an address, network byte order; an IPv4 address fills the first 4, the others are 0. */
  readonly addresses: Uint8Array;
  /** 1 where the address is IPv6, else 0. */
  readonly addressIsV6: Uint8Array;
  /** Prefix length in bits of each address; 32 or 128 when it is whole. */
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
  /** Sent by the initiator; integers below 2^53. */
  readonly initiatorBytes: Float64Array;
  readonly initiatorPackets: Float64Array;
  /** Sent by the responder; integers below 2^53. */
  readonly responderBytes: Float64Array;
  readonly responderPackets: Float64Array;
  /** Entries first accounted in the window. */
  readonly connections: Uint32Array;
  /** 1 where the flow was folded to keep the agent's cap. */
  readonly folded: Uint8Array;
  /** How many flows are folded; the column stays off the wire when none is. */
  readonly foldedCount: number;
}

/**
 * Columns as they stood on the wire: each has the length that the sender gave it, an absent one is empty. Whether the
 * lengths agree and the indices point somewhere is for the receiver's validation.
 */
export type WireColumns = Omit<FlowArrays, 'count' | 'foldedCount'>;

type ArrayNames<T> = { [K in keyof FlowArrays]: FlowArrays[K] extends T ? K : never }[keyof FlowArrays];

/** How a column travels. */
export type ColumnDescription =
  | { readonly number: number; readonly name: string; readonly kind: 'fixed32'; readonly property: FixedProperty }
  | { readonly number: number; readonly name: string; readonly kind: 'counter'; readonly property: CounterProperty }
  | { readonly number: number; readonly name: string; readonly kind: 'bytes'; readonly property: ByteProperty };

type FixedProperty = Extract<ArrayNames<Uint32Array>, string>;
type CounterProperty = Extract<ArrayNames<Float64Array>, string>;
type ByteProperty = 'protocol' | 'folded';

/** Field number and name of the address dictionary in flowtoll.v1.FlowColumns. */
export const ADDRESSES_FIELD = 1;
export const PREFIX_LENGTHS_FIELD = 2;

/** The per-flow columns of flowtoll.v1.FlowColumns, in the order of their field numbers. */
export const FLOW_COLUMNS: readonly ColumnDescription[] = [
  { number: 3, name: 'initiator', kind: 'fixed32', property: 'initiator' },
  { number: 4, name: 'responder', kind: 'fixed32', property: 'responder' },
  { number: 5, name: 'original_destination', kind: 'fixed32', property: 'originalDestination' },
  { number: 6, name: 'original_destination_port', kind: 'fixed32', property: 'originalDestinationPort' },
  { number: 7, name: 'translated_source', kind: 'fixed32', property: 'translatedSource' },
  { number: 8, name: 'protocol', kind: 'bytes', property: 'protocol' },
  { number: 9, name: 'responder_port', kind: 'fixed32', property: 'responderPort' },
  { number: 10, name: 'initiator_bytes', kind: 'counter', property: 'initiatorBytes' },
  { number: 11, name: 'initiator_packets', kind: 'counter', property: 'initiatorPackets' },
  { number: 12, name: 'responder_bytes', kind: 'counter', property: 'responderBytes' },
  { number: 13, name: 'responder_packets', kind: 'counter', property: 'responderPackets' },
  { number: 14, name: 'connections', kind: 'fixed32', property: 'connections' },
  { number: 15, name: 'folded', kind: 'bytes', property: 'folded' },
];
