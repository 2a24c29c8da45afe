// Codec of the message flowtoll.v1.FlowColumns (flowtoll/v1/flow.proto) between its bytes and typed arrays, without an
// object per flow: packed fixed-width columns are little-endian arrays, so most of the work is memcpy. Reads whatever a
// legal encoder may write (split, unpacked, unknown fields); writes what every protobuf implementation reads. Checks form
// and limits; whether the columns agree with one another is for the receiver's validation.
import { decodeCounters, encodeCounters } from './counters.ts';
import {
  ADDRESSES_FIELD,
  type ColumnDescription,
  FLOW_COLUMNS,
  type FlowArrays,
  PREFIX_LENGTHS_FIELD,
  type WireColumns,
} from './flow-arrays.ts';
import { WireError } from './wire-error.ts';
import { WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WireReader } from './wire-reader.ts';

/** Flows that a batch may hold: said in the .proto. */
export const FLOWS_MAX = 100_000;
/** Addresses that a batch may hold: each flow names at most four. */
export const ADDRESSES_MAX = 4 * FLOWS_MAX;

/** What a reader takes; beyond it, it refuses before it allocates. */
export interface ColumnLimits {
  /** Elements of one column. */
  readonly flowsMax: number;
  /** Elements of the address dictionary. */
  readonly addressesMax: number;
}

const DEFAULT_LIMITS: ColumnLimits = { flowsMax: FLOWS_MAX, addressesMax: ADDRESSES_MAX };

// The columns are copied, not computed: a host of the other byte order would write another format.
if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) {
  throw new Error('flowtoll needs a little-endian processor');
}

/**
 * The bytes of a FlowColumns message. `order`, when given, says which flow comes first, second, …: an encoder may sort for
 * better compression. Raises WireError for values that the contract does not allow.
 */
export function encodeFlowColumns(flows: FlowArrays, order?: Uint32Array): Uint8Array<ArrayBuffer> {
  const { count, addressCount } = flows;
  if (count > FLOWS_MAX) throw new WireError('OVER_LIMIT', `${count} flows in a batch; at most ${FLOWS_MAX}`);
  if (addressCount > ADDRESSES_MAX) {
    throw new WireError('OVER_LIMIT', `${addressCount} addresses in a batch; at most ${ADDRESSES_MAX}`);
  }
  need('addresses', flows.addresses.length, 16 * addressCount);
  need('prefix_lengths', Math.min(flows.prefixLengths.length, flows.addressIsV6.length), addressCount);
  const columns = FLOW_COLUMNS.filter((column) => column.property !== 'folded' || flows.foldedCount > 0);
  for (const column of columns) need(column.name, flows[column.property].length, count);

  const out = new Uint8Array(encodedSize(flows, columns));
  let position = encodeAddresses(flows, out);
  if (count === 0) return out;
  const scratch = new Uint32Array(2 * count);
  for (const column of columns) {
    position = encodeHeader(out, position, column.number, elementSize(column) * count);
    const bytes = columnBytes(flows, column, order, scratch);
    out.set(bytes, position);
    position += bytes.length;
  }
  return out;
}

function need(name: string, length: number, least: number): void {
  if (length < least) throw new WireError('COLUMN_LENGTH', `${name} has ${length} elements; ${least} are needed`);
}

/** Bytes of one element on the wire. */
function elementSize(column: ColumnDescription): number {
  return column.kind === 'fixed32' ? 4 : column.kind === 'counter' ? 8 : 1;
}

function encodedSize(flows: FlowArrays, columns: readonly ColumnDescription[]): number {
  let size = 0;
  for (let i = 0; i < flows.addressCount; i++) size += flows.addressIsV6[i] === 1 ? 18 : 6;
  if (flows.addressCount > 0) size += headerSize(flows.addressCount) + flows.addressCount;
  if (flows.count === 0) return size;
  for (const column of columns) {
    const bytes = elementSize(column) * flows.count;
    size += headerSize(bytes) + bytes;
  }
  return size;
}

/** Size of a tag of one byte (all our field numbers are below 16) and a length. */
function headerSize(length: number): number {
  return length < 0x80 ? 2 : length < 0x4000 ? 3 : length < 0x20_0000 ? 4 : 5;
}

function encodeHeader(out: Uint8Array, start: number, fieldNumber: number, length: number): number {
  let position = start;
  out[position++] = (fieldNumber << 3) | WIRE_BYTES;
  let rest = length;
  while (rest >= 0x80) {
    out[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[position++] = rest;
  return position;
}

function encodeAddresses(flows: FlowArrays, out: Uint8Array): number {
  const { addressCount, addresses, addressIsV6 } = flows;
  let position = 0;
  for (let i = 0; i < addressCount; i++) {
    const length = addressIsV6[i] === 1 ? 16 : 4;
    out[position++] = (ADDRESSES_FIELD << 3) | WIRE_BYTES;
    out[position++] = length;
    // A loop of 4 is faster than a view and a copy; 16 is about even.
    for (let j = 0, from = 16 * i; j < length; j++) out[position++] = addresses[from + j]!;
  }
  if (addressCount > 0) {
    position = encodeHeader(out, position, PREFIX_LENGTHS_FIELD, addressCount);
    out.set(flows.prefixLengths.subarray(0, addressCount), position);
    position += addressCount;
  }
  return position;
}

/** The bytes of one column in the given order. May return a view into `scratch`, valid until the next call. */
function columnBytes(
  flows: FlowArrays,
  column: ColumnDescription,
  order: Uint32Array | undefined,
  scratch: Uint32Array,
): Uint8Array {
  const { count } = flows;
  if (column.kind === 'counter') {
    encodeCounters(flows[column.property], count, order, scratch, column.name);
    return new Uint8Array(scratch.buffer, 0, 8 * count);
  }
  if (column.kind === 'fixed32') {
    const values = flows[column.property];
    if (order === undefined) return new Uint8Array(values.buffer, values.byteOffset, 4 * count);
    for (let i = 0; i < count; i++) scratch[i] = values[order[i]!]!;
    return new Uint8Array(scratch.buffer, 0, 4 * count);
  }
  const values = flows[column.property];
  if (order === undefined) return values.subarray(0, count);
  const bytes = new Uint8Array(scratch.buffer, 0, count);
  for (let i = 0; i < count; i++) bytes[i] = values[order[i]!]!;
  return bytes;
}

/**
 * Reads the bytes of a FlowColumns message. First pass: form, wire types and sizes, nothing allocated; second pass:
 * copies. Raises WireError for any bytes that are not such a message or exceed the limits. All columns lie in one
 * ArrayBuffer.
 */
export function decodeFlowColumns(bytes: Uint8Array, limits: ColumnLimits = DEFAULT_LIMITS): WireColumns {
  const counts = countElements(bytes, limits);
  const columns = allocateColumns(counts);
  copyElements(bytes, columns);
  return columns;
}

/** All columns in one ArrayBuffer: one allocation a batch, which a receiver can give back at once. */
function allocateColumns(counts: Uint32Array): WireColumns {
  const addressCount = counts[ADDRESSES_FIELD]!;
  const prefixCount = counts[PREFIX_LENGTHS_FIELD]!;
  let size = 17 * addressCount + prefixCount;
  for (const column of FLOW_COLUMNS) size += elementSize(column) * counts[column.number]!;
  const memory = new ArrayBuffer(size);
  let offset = 0;
  /** Widest first: each view begins at a multiple of its elements' size. */
  const take = (count: number, elementBytes: 1 | 4 | 8): [ArrayBuffer, number, number] => {
    offset += count * elementBytes;
    return [memory, offset - count * elementBytes, count];
  };
  const wide = (number: number) => new Float64Array(...take(counts[number]!, 8));
  const fixed = (number: number) => new Uint32Array(...take(counts[number]!, 4));
  const byte = (count: number) => new Uint8Array(...take(count, 1));
  return {
    initiatorBytes: wide(10),
    initiatorPackets: wide(11),
    responderBytes: wide(12),
    responderPackets: wide(13),
    initiator: fixed(3),
    responder: fixed(4),
    originalDestination: fixed(5),
    originalDestinationPort: fixed(6),
    translatedSource: fixed(7),
    responderPort: fixed(9),
    connections: fixed(14),
    protocol: byte(counts[8]!),
    folded: byte(counts[15]!),
    addressCount,
    addresses: byte(16 * addressCount),
    addressIsV6: byte(addressCount),
    prefixLengths: byte(prefixCount),
  };
}

/** By field number; the address dictionary and its prefix lengths stand beside the columns. */
const COLUMN_BY_NUMBER: readonly (ColumnDescription | undefined)[] = Array.from({ length: 16 }, (_, number) =>
  FLOW_COLUMNS.find((column) => column.number === number),
);

/** Walks over the whole message and returns the number of elements of each field, by field number. */
function countElements(bytes: Uint8Array, limits: ColumnLimits): Uint32Array {
  const counts = new Uint32Array(16);
  const reader = new WireReader(bytes);
  while (reader.next()) {
    const number = reader.fieldNumber;
    if (number > 15) reader.skip();
    else if (number === ADDRESSES_FIELD) countAddress(reader, counts, limits);
    else countColumn(reader, number, counts, limits);
  }
  return counts;
}

function countAddress(reader: WireReader, counts: Uint32Array, limits: ColumnLimits): void {
  const index = counts[ADDRESSES_FIELD]!++;
  if (reader.wireType !== WIRE_BYTES) throw wireType('addresses', reader);
  if (index >= limits.addressesMax) throw overLimit('addresses', index + 1, limits.addressesMax);
  const length = reader.length('addresses');
  if (length !== 4 && length !== 16) {
    throw new WireError('ADDRESS_LENGTH', `addresses[${index}] has ${length} bytes; an address has 4 or 16`);
  }
  reader.position += length;
}

function countColumn(reader: WireReader, number: number, counts: Uint32Array, limits: ColumnLimits): void {
  const column = COLUMN_BY_NUMBER[number];
  const name = column?.name ?? 'prefix_lengths';
  const max = column === undefined ? limits.addressesMax : limits.flowsMax;
  const size = column === undefined ? 1 : elementSize(column);
  if (reader.wireType === WIRE_BYTES) {
    const length = reader.length(name);
    if (length % size !== 0) {
      throw new WireError('COLUMN_LENGTH', `${name} has ${length} bytes, which is no multiple of ${size}`);
    }
    // A second occurrence of a singular field replaces the first; of a repeated one, it continues it.
    counts[number] = size === 1 ? length : counts[number]! + length / size;
    reader.position += length;
  } else if (size > 1 && reader.wireType === (size === 4 ? WIRE_FIXED32 : WIRE_FIXED64)) {
    counts[number]!++;
    reader.advance(size, name);
  } else {
    throw wireType(name, reader);
  }
  if (counts[number]! > max) throw overLimit(name, counts[number]!, max);
}

function wireType(name: string, reader: WireReader): WireError {
  return new WireError('WIRE_TYPE', `${name} has wire type ${reader.wireType} at byte ${reader.position}`);
}

function overLimit(name: string, count: number, max: number): WireError {
  return new WireError('OVER_LIMIT', `${name} has ${count} elements or more; at most ${max}`);
}

/** Second pass over bytes that `countElements` has found sound. */
function copyElements(bytes: Uint8Array, columns: WireColumns): void {
  const reader = new WireReader(bytes);
  const done = new Uint32Array(16);
  while (reader.next()) {
    const number = reader.fieldNumber;
    if (number > 15) {
      reader.skip();
      continue;
    }
    const column = COLUMN_BY_NUMBER[number];
    const size = column === undefined ? 1 : elementSize(column);
    const length = reader.wireType === WIRE_BYTES ? reader.length('a column') : size;
    const start = reader.position;
    reader.position += length;
    if (number === ADDRESSES_FIELD) {
      const index = done[number]!++;
      if (length === 16) columns.addressIsV6[index] = 1;
      for (let j = 0; j < length; j++) columns.addresses[16 * index + j] = bytes[start + j]!;
    } else if (column === undefined || column.kind === 'bytes') {
      copyBytes(bytes.subarray(start, start + length), columns, column);
    } else {
      copyFixed(bytes.subarray(start, start + length), columns, column, done[number]!);
      done[number]! += length / size;
    }
  }
}

function copyBytes(from: Uint8Array, columns: WireColumns, column: ColumnDescription | undefined): void {
  const to = column?.kind === 'bytes' ? columns[column.property] : columns.prefixLengths;
  // An earlier occurrence of a singular field may have been longer than the last, which is the one that counts.
  to.set(from.length > to.length ? from.subarray(0, to.length) : from);
}

function copyFixed(from: Uint8Array, columns: WireColumns, column: ColumnDescription, offset: number): void {
  if (column.kind === 'fixed32') {
    const to = columns[column.property];
    new Uint8Array(to.buffer, to.byteOffset + 4 * offset, from.length).set(from);
  } else if (column.kind === 'counter') {
    // Copied to an aligned place first: a view on 4-byte halves cannot begin at any byte.
    const halves = new Uint32Array(from.length / 4);
    new Uint8Array(halves.buffer).set(from);
    decodeCounters(halves, from.length / 8, columns[column.property], offset, column.name);
  }
}
