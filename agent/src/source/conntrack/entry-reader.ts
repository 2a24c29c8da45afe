// Attributes of one ctnetlink message → EntryRecord (net/netfilter/nf_conntrack_netlink.c: ctnetlink_fill_info for dumps,
// ctnetlink_conntrack_event for events). Headers are host order, values big-endian. Unknown attributes are skipped and
// counted; a length that would make us misread is an error. No object is made per entry.
import { DecodeError } from '../../errors.ts';
import { NLA_HEADER_BYTES, NLA_TYPE_MASK } from '../../netlink/constants.ts';
import type { EntryRecord } from '../entry-record.ts';
import {
  CTA_COUNTERS_BYTES,
  CTA_COUNTERS_ORIG,
  CTA_COUNTERS_PACKETS,
  CTA_COUNTERS_REPLY,
  CTA_ID,
  CTA_IP_V4_DST,
  CTA_IP_V4_SRC,
  CTA_IP_V6_DST,
  CTA_IP_V6_SRC,
  CTA_MAX_KNOWN,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_ICMP_CODE,
  CTA_PROTO_ICMP_ID,
  CTA_PROTO_ICMP_TYPE,
  CTA_PROTO_ICMPV6_CODE,
  CTA_PROTO_ICMPV6_ID,
  CTA_PROTO_ICMPV6_TYPE,
  CTA_PROTO_NUM,
  CTA_PROTO_SRC_PORT,
  CTA_TIMESTAMP,
  CTA_TIMESTAMP_START,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_TUPLE_ZONE,
  CTA_ZONE,
} from './constants.ts';

/** 2^53: beyond it a double is not exact. */
const EXACT_LIMIT_HIGH = 0x200000;

function bigEndian32(word: number): number {
  return ((word << 24) | ((word << 8) & 0xff0000) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

/** The first two bytes of a word, big-endian. */
function bigEndian16(word: number): number {
  return ((word & 0xff) << 8) | ((word >>> 8) & 0xff);
}

/** Decodes the attributes of one entry after another into the same record. */
export class EntryReader {
  /** Attributes that this version does not know; they were skipped. */
  unknownAttributes = 0;

  #words: Int32Array;
  #record: EntryRecord;

  constructor(record: EntryRecord) {
    this.#record = record;
    this.#words = new Int32Array(0);
  }

  /**
   * Decodes attributes at bytes [start, end) into the record.
   * @param words the datagram's memory; `start` is a multiple of 4 and `end` within it
   * @throws DecodeError naming attribute, offset and lengths; the record is then meaningless
   */
  read(words: Int32Array, start: number, end: number): void {
    this.#words = words;
    const record = this.#record;
    record.hasCounters = false;
    record.conntrackZone = 0;
    record.startHigh = 0;
    record.startLow = 0;
    record.id = 0;
    let seen = 0;
    let at = start;
    while (at < end) {
      const header = this.#header(at, end, 'CTA');
      const length = header & 0xffff;
      const type = (header >>> 16) & NLA_TYPE_MASK;
      const value = at + NLA_HEADER_BYTES;
      const valueEnd = at + length;
      switch (type) {
        case CTA_TUPLE_ORIG:
          seen |= 1;
          this.#tuple(value, valueEnd, true);
          break;
        case CTA_TUPLE_REPLY:
          seen |= 2;
          this.#tuple(value, valueEnd, false);
          break;
        case CTA_COUNTERS_ORIG:
          seen |= 4;
          this.#counters(value, valueEnd, true);
          break;
        case CTA_COUNTERS_REPLY:
          seen |= 8;
          this.#counters(value, valueEnd, false);
          break;
        case CTA_ID:
          this.#expect(length, 8, 'CTA_ID', at);
          record.id = words[value >> 2]!;
          break;
        case CTA_ZONE:
          this.#expect(length, 6, 'CTA_ZONE', at);
          record.conntrackZone = bigEndian16(words[value >> 2]!);
          break;
        case CTA_TIMESTAMP:
          this.#timestamp(value, valueEnd);
          break;
        default:
          if (type > CTA_MAX_KNOWN) this.unknownAttributes++;
      }
      at += (length + 3) & ~3;
    }
    if ((seen & 3) !== 3) {
      throw new DecodeError(seen & 1 ? 'CTA_TUPLE_REPLY' : 'CTA_TUPLE_ORIG', start, 'the attribute is missing');
    }
    if ((seen & 12) === 12) record.hasCounters = true;
    else if ((seen & 12) !== 0) {
      throw new DecodeError('CTA_COUNTERS', start, 'one direction has counters, the other has none');
    }
  }

  /** Reads and checks an attribute header: its length covers itself and stays within its parent. */
  #header(at: number, end: number, path: string): number {
    if (end - at < NLA_HEADER_BYTES) {
      throw new DecodeError(path, at, `${end - at} bytes are left, an attribute header is ${NLA_HEADER_BYTES}`);
    }
    const header = this.#words[at >> 2]!;
    const length = header & 0xffff;
    if (length < NLA_HEADER_BYTES || at + length > end) {
      throw new DecodeError(
        `${path}[${(header >>> 16) & NLA_TYPE_MASK}]`,
        at,
        `length ${length}, but ${end - at} bytes are left`,
      );
    }
    return header;
  }

  #expect(actual: number, expected: number, path: string, at: number): void {
    if (actual !== expected) throw new DecodeError(path, at, `length ${actual}, expected ${expected}`);
  }

  /** CTA_TUPLE_ORIG, CTA_TUPLE_REPLY: addresses, protocol with ports, and a zone of this direction only. */
  #tuple(start: number, end: number, original: boolean): void {
    const path = original ? 'CTA_TUPLE_ORIG' : 'CTA_TUPLE_REPLY';
    let seen = 0;
    let at = start;
    while (at < end) {
      const header = this.#header(at, end, path);
      const length = header & 0xffff;
      const value = at + NLA_HEADER_BYTES;
      switch ((header >>> 16) & NLA_TYPE_MASK) {
        case CTA_TUPLE_IP:
          seen |= 1;
          this.#addresses(value, at + length, original, path);
          break;
        case CTA_TUPLE_PROTO:
          seen |= 2;
          this.#protocol(value, at + length, original, path);
          break;
        case CTA_TUPLE_ZONE:
          this.#expect(length, 6, `${path}/CTA_TUPLE_ZONE`, at);
          this.#record.conntrackZone = bigEndian16(this.#words[value >> 2]!);
          break;
        default:
          this.unknownAttributes++;
      }
      at += (length + 3) & ~3;
    }
    if (seen !== 3) {
      throw new DecodeError(
        `${path}/${seen & 1 ? 'CTA_TUPLE_PROTO' : 'CTA_TUPLE_IP'}`,
        start,
        'the attribute is missing',
      );
    }
  }

  /** CTA_TUPLE_IP: either two addresses of 4 bytes or two of 16. */
  #addresses(start: number, end: number, original: boolean, parent: string): void {
    const words = this.#words;
    const record = this.#record;
    let source = 0;
    let destination = 0;
    let at = start;
    while (at < end) {
      const header = this.#header(at, end, parent);
      const length = header & 0xffff;
      const type = (header >>> 16) & NLA_TYPE_MASK;
      const word = (at + NLA_HEADER_BYTES) >> 2;
      switch (type) {
        case CTA_IP_V4_SRC:
        case CTA_IP_V4_DST:
          this.#expect(length, 8, `${parent}/CTA_TUPLE_IP[${type}]`, at);
          if (type === CTA_IP_V4_SRC) {
            source = 4;
            this.#setSource(original, words[word]!, 0, 0, 0);
          } else {
            destination = 4;
            this.#setDestination(original, words[word]!, 0, 0, 0);
          }
          break;
        case CTA_IP_V6_SRC:
        case CTA_IP_V6_DST:
          this.#expect(length, 20, `${parent}/CTA_TUPLE_IP[${type}]`, at);
          if (type === CTA_IP_V6_SRC) {
            source = 16;
            this.#setSource(original, words[word]!, words[word + 1]!, words[word + 2]!, words[word + 3]!);
          } else {
            destination = 16;
            this.#setDestination(original, words[word]!, words[word + 1]!, words[word + 2]!, words[word + 3]!);
          }
          break;
        default:
          this.unknownAttributes++;
      }
      at += (length + 3) & ~3;
    }
    if (source === 0 || source !== destination) {
      throw new DecodeError(
        `${parent}/CTA_TUPLE_IP`,
        start,
        `source has ${source} bytes, destination ${destination}; both must have 4 or both 16`,
      );
    }
    if (!original && record.isV6 !== (source === 16)) {
      throw new DecodeError(`${parent}/CTA_TUPLE_IP`, start, 'the two tuples are of different address families');
    }
    record.isV6 = source === 16;
  }

  #setSource(original: boolean, w0: number, w1: number, w2: number, w3: number): void {
    const record = this.#record;
    if (original) {
      record.originalSource0 = w0;
      record.originalSource1 = w1;
      record.originalSource2 = w2;
      record.originalSource3 = w3;
    } else {
      record.replySource0 = w0;
      record.replySource1 = w1;
      record.replySource2 = w2;
      record.replySource3 = w3;
    }
  }

  #setDestination(original: boolean, w0: number, w1: number, w2: number, w3: number): void {
    const record = this.#record;
    if (original) {
      record.originalDestination0 = w0;
      record.originalDestination1 = w1;
      record.originalDestination2 = w2;
      record.originalDestination3 = w3;
    } else {
      record.replyDestination0 = w0;
      record.replyDestination1 = w1;
      record.replyDestination2 = w2;
      record.replyDestination3 = w3;
    }
  }

  /** CTA_TUPLE_PROTO: the protocol number, and ports or ICMP's identifier, type and code where the protocol has them. */
  #protocol(start: number, end: number, original: boolean, parent: string): void {
    const words = this.#words;
    let number = -1;
    let sourcePort = 0;
    let destinationPort = 0;
    let at = start;
    while (at < end) {
      const header = this.#header(at, end, parent);
      const length = header & 0xffff;
      const type = (header >>> 16) & NLA_TYPE_MASK;
      const word = words[(at + NLA_HEADER_BYTES) >> 2]!;
      switch (type) {
        case CTA_PROTO_NUM:
          this.#expect(length, 5, `${parent}/CTA_TUPLE_PROTO/CTA_PROTO_NUM`, at);
          number = word & 0xff;
          break;
        case CTA_PROTO_SRC_PORT:
        case CTA_PROTO_ICMP_ID:
        case CTA_PROTO_ICMPV6_ID:
          this.#expect(length, 6, `${parent}/CTA_TUPLE_PROTO[${type}]`, at);
          sourcePort = bigEndian16(word);
          break;
        case CTA_PROTO_DST_PORT:
          this.#expect(length, 6, `${parent}/CTA_TUPLE_PROTO[${type}]`, at);
          destinationPort = bigEndian16(word);
          break;
        case CTA_PROTO_ICMP_TYPE:
        case CTA_PROTO_ICMPV6_TYPE:
          this.#expect(length, 5, `${parent}/CTA_TUPLE_PROTO[${type}]`, at);
          destinationPort |= (word & 0xff) << 8;
          break;
        case CTA_PROTO_ICMP_CODE:
        case CTA_PROTO_ICMPV6_CODE:
          this.#expect(length, 5, `${parent}/CTA_TUPLE_PROTO[${type}]`, at);
          destinationPort |= word & 0xff;
          break;
        default:
          this.unknownAttributes++;
      }
      at += (length + 3) & ~3;
    }
    if (number < 0) throw new DecodeError(`${parent}/CTA_TUPLE_PROTO/CTA_PROTO_NUM`, start, 'the attribute is missing');
    const record = this.#record;
    record.protocol = number;
    if (original) {
      record.originalSourcePort = sourcePort;
      record.originalDestinationPort = destinationPort;
    } else {
      record.replySourcePort = sourcePort;
      record.replyDestinationPort = destinationPort;
    }
  }

  /** CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY: 64-bit values, aligned to 4 only, with padding attributes among them. */
  #counters(start: number, end: number, original: boolean): void {
    const words = this.#words;
    const path = original ? 'CTA_COUNTERS_ORIG' : 'CTA_COUNTERS_REPLY';
    let packets = -1;
    let bytes = -1;
    let at = start;
    while (at < end) {
      const header = this.#header(at, end, path);
      const length = header & 0xffff;
      const type = (header >>> 16) & NLA_TYPE_MASK;
      if (type === CTA_COUNTERS_PACKETS || type === CTA_COUNTERS_BYTES) {
        this.#expect(length, 12, `${path}[${type}]`, at);
        const word = (at + NLA_HEADER_BYTES) >> 2;
        const value = this.#exact64(words[word]!, words[word + 1]!, path, at);
        if (type === CTA_COUNTERS_PACKETS) packets = value;
        else bytes = value;
      }
      at += (length + 3) & ~3;
    }
    if (packets < 0 || bytes < 0) throw new DecodeError(path, start, 'packets or bytes are missing');
    const record = this.#record;
    if (original) {
      record.originalPackets = packets;
      record.originalBytes = bytes;
    } else {
      record.replyPackets = packets;
      record.replyBytes = bytes;
    }
  }

  #exact64(highWord: number, lowWord: number, path: string, at: number): number {
    const low = bigEndian32(lowWord);
    if (highWord === 0) return low;
    const high = bigEndian32(highWord);
    if (high >= EXACT_LIMIT_HIGH) throw new DecodeError(path, at, 'the counter is 2^53 or more');
    return high * 4294967296 + low;
  }

  /** CTA_TIMESTAMP: only the start matters; it tells two lives of one tuple apart. */
  #timestamp(start: number, end: number): void {
    let at = start;
    while (at < end) {
      const header = this.#header(at, end, 'CTA_TIMESTAMP');
      const length = header & 0xffff;
      if (((header >>> 16) & NLA_TYPE_MASK) === CTA_TIMESTAMP_START) {
        this.#expect(length, 12, 'CTA_TIMESTAMP_START', at);
        const word = (at + NLA_HEADER_BYTES) >> 2;
        this.#record.startHigh = bigEndian32(this.#words[word]!) | 0;
        this.#record.startLow = bigEndian32(this.#words[word + 1]!) | 0;
      }
      at += (length + 3) & ~3;
    }
  }
}
