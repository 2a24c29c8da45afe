// The bytes of a spool segment: a header, then records one after the other. Every record can be found and believed by
// itself: magic, a checksum over its head, another over its payload. Knows bytes only, no files.
//
// Segment: "FTSPOOL\0", u32 version, u32 CRC-32 of all that follows in the header, u32 length of JSON, JSON.
// Record: u32 magic, u32 CRC-32 of the rest of the head, u8 kind, u8 flags, u16 checkpoint length, u32 payload length,
// u32 CRC-32 of the payload, u32 zero, f64 sequence, f64 window start, f64 window end, f64 bytes of traffic (-1: unknown),
// checkpoint (UTF-8), payload. Little-endian. Version and checksum keep their place in every version to come.
import { crc32 } from 'node:zlib';

/** Version of the format that this code writes; the only one that it reads. */
export const SPOOL_VERSION = 1;

const SEGMENT_MAGIC = Buffer.from('FTSPOOL\0', 'latin1');
const SEGMENT_FIXED_BYTES = 20;
const RECORD_MAGIC = Buffer.from('\xf7FR\x01', 'latin1');
const HEAD_FIXED_BYTES = 56;
const UNCONFIRMED = 1;

/**
 * - batch: a batch, to be sent.
 * - confirmed: an aggregator knows this epoch as the spool does; batches before it may have been sent.
 * - settled: everything up to this sequence is in the table.
 */
export type RecordKind = 'batch' | 'confirmed' | 'settled';
const KINDS: readonly RecordKind[] = ['batch', 'confirmed', 'settled'];

/** What a segment says of itself. */
export interface SegmentHeader {
  readonly epoch: string;
  /** Name of the node under which the batches were made. */
  readonly node: string;
  /** Number of the first batch in it. */
  readonly firstSequence: number;
}

/** What a record says of its payload. */
export interface RecordHead {
  readonly kind: RecordKind;
  readonly sequence: number;
  /** Made before an aggregator had confirmed the epoch in the process that made it: it was not sent then. */
  readonly unconfirmed: boolean;
  /** Microseconds since the Unix epoch. */
  readonly windowStartUs: number;
  readonly windowEndUs: number;
  /** Bytes of the flows in the batch, or undefined where nobody knows. */
  readonly trafficBytes: number | undefined;
  /** Name of the accounting baseline that belongs to the batch. At most 65,535 bytes. */
  readonly checkpoint: string | undefined;
}

/** A record as found in a segment. */
export interface FoundRecord extends RecordHead {
  /** Offset of the record. */
  readonly at: number;
  /** Offset and length of its payload. */
  readonly payloadAt: number;
  readonly payloadLength: number;
  /** The payload is there and its checksum is right. */
  readonly whole: boolean;
}

/** What is in a segment. */
export interface SegmentScan {
  /** Undefined when it is not whole. */
  readonly header: SegmentHeader | undefined;
  readonly records: readonly FoundRecord[];
  /** Where the last record that is there in full length ends: behind it is the torn tail. */
  readonly end: number;
  /** Bytes before `end` that belong to no record. */
  readonly skippedBytes: number;
}

/** Bytes of a segment's header. */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const fixed = Buffer.alloc(SEGMENT_FIXED_BYTES);
  SEGMENT_MAGIC.copy(fixed);
  fixed.writeUInt32LE(SPOOL_VERSION, 8);
  fixed.writeUInt32LE(json.length, 16);
  const bytes = Buffer.concat([fixed, json]);
  bytes.writeUInt32LE(headerChecksum(bytes), 12);
  return bytes;
}

function headerChecksum(bytes: Buffer): number {
  return crc32(bytes.subarray(16), crc32(bytes.subarray(8, 12)));
}

/** Bytes of a record. */
export function encodeRecord(head: RecordHead, payload: Uint8Array): Buffer {
  const checkpoint = Buffer.from(head.checkpoint ?? '');
  const bytes = Buffer.alloc(HEAD_FIXED_BYTES + checkpoint.length + payload.length);
  RECORD_MAGIC.copy(bytes);
  bytes.writeUInt8(KINDS.indexOf(head.kind) + 1, 8);
  bytes.writeUInt8(head.unconfirmed ? UNCONFIRMED : 0, 9);
  bytes.writeUInt16LE(checkpoint.length, 10);
  bytes.writeUInt32LE(payload.length, 12);
  bytes.writeUInt32LE(crc32(payload), 16);
  bytes.writeDoubleLE(head.sequence, 24);
  bytes.writeDoubleLE(head.windowStartUs, 32);
  bytes.writeDoubleLE(head.windowEndUs, 40);
  bytes.writeDoubleLE(head.trafficBytes ?? -1, 48);
  checkpoint.copy(bytes, HEAD_FIXED_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(8, HEAD_FIXED_BYTES + checkpoint.length)), 4);
  bytes.set(payload, HEAD_FIXED_BYTES + checkpoint.length);
  return bytes;
}

/** Length of a record with such a checkpoint and payload. */
export function recordLength(checkpoint: string | undefined, payloadLength: number): number {
  return HEAD_FIXED_BYTES + Buffer.byteLength(checkpoint ?? '') + payloadLength;
}

/** The version that a segment states, if that statement is whole; undefined when it is none. */
export function segmentVersion(bytes: Buffer): number | undefined {
  if (bytes.length < SEGMENT_FIXED_BYTES || !bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) return undefined;
  const end = SEGMENT_FIXED_BYTES + bytes.readUInt32LE(16);
  if (end > bytes.length || headerChecksum(bytes.subarray(0, end)) !== bytes.readUInt32LE(12)) return undefined;
  return bytes.readUInt32LE(8);
}

/** Finds everything in a segment that is whole, whatever happened to the rest. */
export function scanSegment(bytes: Buffer): SegmentScan {
  let header: SegmentHeader | undefined;
  let at = 0;
  if (segmentVersion(bytes) === SPOOL_VERSION) {
    at = SEGMENT_FIXED_BYTES + bytes.readUInt32LE(16);
    header = JSON.parse(bytes.toString('utf8', SEGMENT_FIXED_BYTES, at)) as SegmentHeader;
  }
  const records: FoundRecord[] = [];
  let end = at;
  let skippedBytes = 0;
  while (at < bytes.length) {
    const record = recordAt(bytes, at);
    if (record === undefined) {
      const next = nextRecord(bytes, at + 1);
      if (next < 0) break;
      skippedBytes += next - at;
      at = next;
      continue;
    }
    records.push(record);
    at = record.payloadAt + record.payloadLength;
    if (at > bytes.length) break;
    end = at;
  }
  return { header, records, end, skippedBytes };
}

function nextRecord(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(RECORD_MAGIC, from);
  while (at >= 0 && recordAt(bytes, at) === undefined) at = bytes.indexOf(RECORD_MAGIC, at + 1);
  return at;
}

/** The record at this offset, if its head is whole. */
function recordAt(bytes: Buffer, at: number): FoundRecord | undefined {
  if (at + HEAD_FIXED_BYTES > bytes.length || RECORD_MAGIC.compare(bytes, at, at + 4) !== 0) return undefined;
  const payloadAt = at + HEAD_FIXED_BYTES + bytes.readUInt16LE(at + 10);
  if (payloadAt > bytes.length || crc32(bytes.subarray(at + 8, payloadAt)) !== bytes.readUInt32LE(at + 4)) {
    return undefined;
  }
  const kind = KINDS[bytes.readUInt8(at + 8) - 1];
  if (kind === undefined) return undefined;
  const payloadLength = bytes.readUInt32LE(at + 12);
  const payload = bytes.subarray(payloadAt, payloadAt + payloadLength);
  const trafficBytes = bytes.readDoubleLE(at + 48);
  return {
    kind,
    sequence: bytes.readDoubleLE(at + 24),
    unconfirmed: (bytes.readUInt8(at + 9) & UNCONFIRMED) !== 0,
    windowStartUs: bytes.readDoubleLE(at + 32),
    windowEndUs: bytes.readDoubleLE(at + 40),
    trafficBytes: trafficBytes < 0 ? undefined : trafficBytes,
    checkpoint:
      payloadAt > at + HEAD_FIXED_BYTES ? bytes.toString('utf8', at + HEAD_FIXED_BYTES, payloadAt) : undefined,
    at,
    payloadAt,
    payloadLength,
    whole: payload.length === payloadLength && crc32(payload) === bytes.readUInt32LE(at + 16),
  };
}

/** Whether these bytes are the payload that was written. */
export function isPayload(payload: Uint8Array, checksum: number): boolean {
  return crc32(payload) === checksum;
}

/** Checksum of a payload. */
export function payloadChecksum(payload: Uint8Array): number {
  return crc32(payload);
}
