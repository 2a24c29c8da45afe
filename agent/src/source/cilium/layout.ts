// Entries of Cilium's conntrack maps (bpf/lib/common.h: struct ct_entry, ipv4_ct_tuple, ipv6_ct_tuple) → EntryRecord.
// Pure. Two layouts share one size: until 1.15 each direction has its counters, from 1.16 on both share one pair.
import type { EntryRecord } from '../entry-record.ts';

/** "directional": until Cilium 1.15. "merged": from 1.16 on, bytes and packets of both directions together. */
export type CiliumLayout = 'directional' | 'merged';

/** Bytes of a key: addresses, ports, protocol, flags; packed. */
export const KEY_BYTES_V4 = 14;
export const KEY_BYTES_V6 = 38;
/** Bytes of a value, in every version from 1.12 to 1.20. */
export const VALUE_BYTES = 56;

/** Bits of a key's flags; none of them: the entry of a packet that left a local pod. */
const ENTERS_POD = 1;
const RELATED = 2;
const SERVICE = 4;

/** Bits of a value's flags. */
const RX_CLOSING = 1;
const TX_CLOSING = 2;

const FLAGS_OFFSET = 36;
const COUNTERS_MAX = 2n ** 53n;

/** Of the frames that Cilium counts, what is not IP: the Ethernet header. Once a packet, also of one that is several on the wire. */
export const ETHERNET_HEADER_BYTES = 14;

/** How values are read. */
export interface EntryForm {
  readonly isV6: boolean;
  readonly layout: CiliumLayout;
  /** Bytes of each counted packet that are not IP. */
  readonly frameHeaderBytes: number;
}

/** What `readEntry` made of an entry. */
export type EntryKind =
  /** The record is filled. */
  | 'entry'
  /** Of services, and of ICMP errors: they count nothing. */
  | 'other'
  /** Counters beyond 2^53: this is no entry of Cilium's, or of a layout that we do not know. */
  | 'unreadable';

/**
 * Fills the record. Tuples are oriented by who opened the connection; a connection of two pods of one node has two entries,
 * which are told apart by `conntrackZone`: 0 of the packets that left a pod, 1 of those that entered one. With the layout
 * "merged" the counters of both directions stand where those of the original direction are.
 */
export function readEntry(
  keys: DataView,
  key: number,
  values: DataView,
  value: number,
  form: EntryForm,
  record: EntryRecord,
): EntryKind {
  const portsOffset = form.isV6 ? 32 : 8;
  const flags = keys.getUint8(key + portsOffset + 5);
  if ((flags & (RELATED | SERVICE)) !== 0) return 'other';
  const enters = (flags & ENTERS_POD) !== 0;
  if (!readCounters(values, value, form, enters, record)) return 'unreadable';
  record.isV6 = form.isV6;
  record.protocol = keys.getUint8(key + portsOffset + 4);
  record.conntrackZone = enters ? 1 : 0;
  // Addresses are swapped in the key, ports are not.
  const destination = form.isV6 ? key + 16 : key + 4;
  readAddresses(keys, key, destination, form.isV6, record);
  const destinationPort = keys.getUint16(key + portsOffset);
  const sourcePort = keys.getUint16(key + portsOffset + 2);
  record.originalSourcePort = sourcePort;
  record.replyDestinationPort = sourcePort;
  record.originalDestinationPort = destinationPort;
  record.replySourcePort = destinationPort;
  const closing = RX_CLOSING | TX_CLOSING;
  record.isClosed = (values.getUint16(value + FLAGS_OFFSET, true) & closing) === closing;
  return 'entry';
}

function readAddresses(keys: DataView, source: number, destination: number, isV6: boolean, record: EntryRecord): void {
  const source0 = keys.getInt32(source, true);
  const destination0 = keys.getInt32(destination, true);
  record.originalSource0 = source0;
  record.replyDestination0 = source0;
  record.originalDestination0 = destination0;
  record.replySource0 = destination0;
  record.originalSource1 = record.replyDestination1 = isV6 ? keys.getInt32(source + 4, true) : 0;
  record.originalSource2 = record.replyDestination2 = isV6 ? keys.getInt32(source + 8, true) : 0;
  record.originalSource3 = record.replyDestination3 = isV6 ? keys.getInt32(source + 12, true) : 0;
  record.originalDestination1 = record.replySource1 = isV6 ? keys.getInt32(destination + 4, true) : 0;
  record.originalDestination2 = record.replySource2 = isV6 ? keys.getInt32(destination + 8, true) : 0;
  record.originalDestination3 = record.replySource3 = isV6 ? keys.getInt32(destination + 12, true) : 0;
}

/** Whether the counters can be what they should be. */
function readCounters(values: DataView, value: number, form: EntryForm, enters: boolean, record: EntryRecord): boolean {
  const packets16 = values.getBigUint64(value + 16, true);
  const bytes24 = values.getBigUint64(value + 24, true);
  if (packets16 >= COUNTERS_MAX || bytes24 >= COUNTERS_MAX) return false;
  const { frameHeaderBytes } = form;
  if (form.layout === 'merged') {
    record.originalPackets = Number(packets16);
    record.originalBytes = withoutHeaders(Number(bytes24), record.originalPackets, frameHeaderBytes);
    record.replyPackets = 0;
    record.replyBytes = 0;
  } else {
    const packets0 = values.getBigUint64(value, true);
    const bytes8 = values.getBigUint64(value + 8, true);
    if (packets0 >= COUNTERS_MAX || bytes8 >= COUNTERS_MAX) return false;
    // rx enters the pod, tx leaves it: of an entry that enters a pod, the pod is the one that answers.
    const rxPackets = Number(packets0);
    const rxBytes = withoutHeaders(Number(bytes8), rxPackets, frameHeaderBytes);
    const txPackets = Number(packets16);
    const txBytes = withoutHeaders(Number(bytes24), txPackets, frameHeaderBytes);
    record.originalPackets = enters ? rxPackets : txPackets;
    record.originalBytes = enters ? rxBytes : txBytes;
    record.replyPackets = enters ? txPackets : rxPackets;
    record.replyBytes = enters ? txBytes : rxBytes;
  }
  // With accounting on, the packet that makes an entry is counted.
  record.hasCounters = record.originalPackets > 0 || record.replyPackets > 0;
  return true;
}

function withoutHeaders(bytes: number, packets: number, headerBytes: number): number {
  return Math.max(0, bytes - packets * headerBytes);
}
