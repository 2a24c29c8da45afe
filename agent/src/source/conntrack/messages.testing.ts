// For tests: ctnetlink messages as the kernel writes them (ctnetlink_fill_info), made from plain values. It is written
// against the kernel's headers, not against our decoder.

/** One direction of an entry. */
export interface TestTuple {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** An entry. Counters as [packets, bytes]. */
export interface TestEntry {
  readonly original: TestTuple;
  readonly reply: TestTuple;
  readonly id?: number;
  readonly zone?: number;
  readonly originalCounters?: readonly [number | bigint, number | bigint];
  readonly replyCounters?: readonly [number | bigint, number | bigint];
  readonly startNs?: bigint;
  /** Further attributes, put last. */
  readonly extra?: readonly Uint8Array[];
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** struct nlattr with its value, padded to 4. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((4 + value.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

/** An attribute that holds attributes (NLA_F_NESTED). */
export function nested(type: number, ...parts: Uint8Array[]): Uint8Array {
  return attribute(type | 0x8000, concat(parts));
}

export const be16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff);

export function be32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0);
  return bytes;
}

export function be64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

const ICMP = 1;
const ICMPV6 = 58;
const WITH_PORTS = new Set([6, 17, 33, 132, 136]);

function tuple(
  type: number,
  { source, destination, protocol, sourcePort = 0, destinationPort = 0 }: TestTuple,
): Uint8Array {
  const v6 = source.length === 16;
  const proto = [attribute(1, Uint8Array.of(protocol))];
  if (WITH_PORTS.has(protocol)) proto.push(attribute(2, be16(sourcePort)), attribute(3, be16(destinationPort)));
  if (protocol === ICMP || protocol === ICMPV6) {
    const first = protocol === ICMP ? 4 : 7;
    proto.push(
      attribute(first, be16(sourcePort)),
      attribute(first + 1, Uint8Array.of(destinationPort >> 8)),
      attribute(first + 2, Uint8Array.of(destinationPort & 0xff)),
    );
  }
  return nested(
    type,
    nested(1, attribute(v6 ? 3 : 1, source), attribute(v6 ? 4 : 2, destination)),
    nested(2, ...proto),
  );
}

/** The attributes of an entry, in the kernel's order. */
export function entryAttributes(entry: TestEntry): Uint8Array {
  const parts = [tuple(1, entry.original), tuple(2, entry.reply), attribute(3, be32(0x18e)), attribute(7, be32(117))];
  const counters = (type: number, [packets, bytes]: readonly [number | bigint, number | bigint]) =>
    parts.push(nested(type, attribute(1, be64(packets)), attribute(2, be64(bytes))));
  if (entry.originalCounters) counters(9, entry.originalCounters);
  if (entry.replyCounters) counters(10, entry.replyCounters);
  if (entry.startNs !== undefined) parts.push(nested(20, attribute(1, be64(entry.startNs))));
  parts.push(attribute(12, be32(entry.id ?? 1)));
  if (entry.zone) parts.push(attribute(18, be16(entry.zone)));
  parts.push(...(entry.extra ?? []));
  return concat(parts);
}

/** A netlink message: header, nfgenmsg, attributes. */
export function message(type: number, attributes: Uint8Array, family = 2): Uint8Array {
  const bytes = new Uint8Array((20 + attributes.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 20 + attributes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, 2, true);
  bytes[16] = family;
  bytes.set(attributes, 20);
  return bytes;
}

export const row = (entry: TestEntry) =>
  message(0x0100, entryAttributes(entry), entry.original.source.length === 16 ? 10 : 2);
export const destroy = (entry: TestEntry) => message(0x0102, entryAttributes(entry));

/** NLMSG_DONE with an errno (0: complete). */
export function done(errno = 0): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 20, true);
  view.setUint16(4, 3, true);
  view.setInt32(16, -errno, true);
  return bytes;
}

/** Messages in one datagram, as words. */
export function datagram(...messages: Uint8Array[]): { words: Int32Array; length: number } {
  const bytes = concat(messages);
  const words = new Int32Array((bytes.length + 3) >> 2);
  new Uint8Array(words.buffer).set(bytes);
  return { words, length: bytes.length };
}
