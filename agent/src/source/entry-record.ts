// One kernel entry as a source hands it to the accounting: a row of a dump, or the last word of a DESTROY event. There is
// one such object, filled again for each entry, so it holds numbers only. Sources fill it; the flow layer reads it.

/** A conntrack record: two tuples and cumulative counters. */
export class EntryRecord {
  /** Addresses are IPv6: four words each. Otherwise only word 0 of each address is meaningful, the others are 0. */
  isV6 = false;
  /** IANA protocol number. */
  protocol = 0;
  /** The kernel's 16-bit conntrack zone; 0 is the default one. */
  conntrackZone = 0;
  /** CTA_ID: opaque, unique among live entries only. */
  id = 0;

  // Addresses: 32-bit words as they lie in memory (network byte order, loaded little-endian). Opaque but for equality.
  originalSource0 = 0;
  originalSource1 = 0;
  originalSource2 = 0;
  originalSource3 = 0;
  originalDestination0 = 0;
  originalDestination1 = 0;
  originalDestination2 = 0;
  originalDestination3 = 0;
  replySource0 = 0;
  replySource1 = 0;
  replySource2 = 0;
  replySource3 = 0;
  replyDestination0 = 0;
  replyDestination1 = 0;
  replyDestination2 = 0;
  replyDestination3 = 0;

  // Ports in host order. For ICMP the identifier is the source port of both directions and type·256+code the
  // destination port, so that two echoes differ.
  originalSourcePort = 0;
  originalDestinationPort = 0;
  replySourcePort = 0;
  replyDestinationPort = 0;

  /** CTA_TIMESTAMP_START, ns since the Unix epoch, as two 32-bit words; both 0 when the kernel gave none. */
  startHigh = 0;
  startLow = 0;

  /** Whether the entry has the accounting extension. Without it the counters below are 0 and mean nothing. */
  hasCounters = false;
  /** Integers; above 2^53 they would not be exact, and the decoder refuses them. */
  originalPackets = 0;
  originalBytes = 0;
  replyPackets = 0;
  replyBytes = 0;

  /** Whether both sides have said that they are done. Sources with DESTROY events leave it false: the event says so. */
  isClosed = false;

  /** Whether the kernel gave a start time. */
  get hasStart(): boolean {
    return this.startHigh !== 0 || this.startLow !== 0;
  }

  /** Start of the entry in µs since the Unix epoch (rounded), or 0 when the kernel gave none. */
  get startUs(): number {
    return this.startHigh === 0 && this.startLow === 0
      ? 0
      : (this.startHigh >>> 0) * 4294967.296 + (this.startLow >>> 0) / 1000;
  }
}

/** Takes what a source reads. The record is valid only during the call. */
export interface EntrySink {
  /** A row of a dump. */
  row(record: EntryRecord): void;
  /** A DESTROY event: the entry's last counters. */
  destroyed(record: EntryRecord): void;
}
