// Decoder of the rows of a WatchResponse, the counterpart of row-columns.ts: columns as arrays over the message's bytes, without an
// object per value. Refuses what is cut or does not fit its row count. Knows the message; knows nothing of tables.
import type { RowColumn, RowsMessage } from './row-columns.ts';
import { WireError } from './wire-error.ts';
import { WIRE_BYTES, WIRE_VARINT, WireReader } from './wire-reader.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A WatchResponse with rows. Throws WireError. What it returns may share the memory of `bytes`. */
export function decodeRowsMessage(bytes: Uint8Array): RowsMessage {
  const reader = new WireReader(bytes);
  let resumeToken = '';
  let rows: Uint8Array | undefined;
  while (reader.next()) {
    if (reader.fieldNumber === 1 && reader.wireType === WIRE_BYTES) resumeToken = text(reader, 'resume_token');
    else if (reader.fieldNumber === 2 && reader.wireType === WIRE_BYTES) rows = part(reader, 'rows');
    else reader.skip();
  }
  if (rows === undefined) throw new WireError('MALFORMED', 'a message without rows');
  return { resumeToken, ...decodeRows(rows) };
}

function decodeRows(bytes: Uint8Array): Omit<RowsMessage, 'resumeToken'> {
  const reader = new WireReader(bytes);
  let version = 0;
  let rowCount = 0;
  let commitTimeMs: number | undefined;
  const columns: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.fieldNumber === 1 && reader.wireType === WIRE_VARINT) version = varint(reader, 'version');
    else if (reader.fieldNumber === 2 && reader.wireType === WIRE_BYTES)
      commitTimeMs = time(part(reader, 'commit_time'));
    else if (reader.fieldNumber === 3 && reader.wireType === WIRE_VARINT) rowCount = reader.varint32('row_count');
    else if (reader.fieldNumber === 4 && reader.wireType === WIRE_BYTES) columns.push(part(reader, 'a column'));
    else reader.skip();
  }
  return { version, commitTimeMs, rowCount, columns: columns.map((column) => decodeColumn(column, rowCount)) };
}

const KINDS = new Map([
  [3, 'integers'],
  [4, 'micros'],
  [5, 'picoUsd'],
] as const);

function decodeColumn(bytes: Uint8Array, rowCount: number): RowColumn {
  const reader = new WireReader(bytes);
  let name = '';
  let column: RowColumn | undefined;
  while (reader.next()) {
    if (reader.wireType !== WIRE_BYTES) {
      reader.skip();
      continue;
    }
    const number = reader.fieldNumber;
    const kind = KINDS.get(number as 3 | 4 | 5);
    if (number === 1) name = text(reader, 'the name of a column');
    else if (number === 2) column = { name: '', kind: 'text', ...decodeText(part(reader, 'text'), rowCount) };
    else if (kind !== undefined) column = { name: '', kind, ...decodeIntegers(part(reader, kind), rowCount) };
    else reader.skip();
  }
  if (column === undefined) throw new WireError('MALFORMED', `column ${name} has no values`);
  return { ...column, name };
}

function decodeText(bytes: Uint8Array, rowCount: number): { dictionary: Uint8Array[]; codes: Uint32Array | undefined } {
  const reader = new WireReader(bytes);
  const dictionary: Uint8Array[] = [];
  let packed: Uint8Array | undefined;
  while (reader.next()) {
    if (reader.fieldNumber === 1 && reader.wireType === WIRE_BYTES) dictionary.push(part(reader, 'dictionary'));
    else if (reader.fieldNumber === 2 && reader.wireType === WIRE_BYTES) packed = part(reader, 'codes');
    else reader.skip();
  }
  if (packed === undefined) return { dictionary, codes: undefined };
  requireSize(packed, 4 * rowCount, 'codes');
  // A copy, for the bytes lie anywhere.
  const codes = new Uint32Array(Uint8Array.from(packed).buffer);
  for (const code of codes) {
    if (code > dictionary.length) throw new WireError('MALFORMED', `code ${code} of ${dictionary.length} texts`);
  }
  return { dictionary, codes };
}

function decodeIntegers(
  bytes: Uint8Array,
  rowCount: number,
): { values: Uint8Array | undefined; nulls: Uint8Array | undefined } {
  const reader = new WireReader(bytes);
  let values: Uint8Array | undefined;
  let nulls: Uint8Array | undefined;
  while (reader.next()) {
    if (reader.fieldNumber === 1 && reader.wireType === WIRE_BYTES) values = part(reader, 'values');
    else if (reader.fieldNumber === 2 && reader.wireType === WIRE_BYTES) nulls = part(reader, 'nulls');
    else reader.skip();
  }
  if (values !== undefined) requireSize(values, 8 * rowCount, 'values');
  if (nulls !== undefined) requireSize(nulls, rowCount, 'nulls');
  return { values, nulls };
}

function requireSize(bytes: Uint8Array, size: number, what: string): void {
  if (bytes.length !== size) throw new WireError('MALFORMED', `${what} have ${bytes.length} bytes, not ${size}`);
}

function part(reader: WireReader, what: string): Uint8Array {
  const length = reader.length(what);
  const start = reader.position;
  reader.advance(length, what);
  return reader.bytes.subarray(start, start + length);
}

function text(reader: WireReader, what: string): string {
  return utf8.decode(part(reader, what));
}

function time(bytes: Uint8Array): number {
  const reader = new WireReader(bytes);
  let ms = 0;
  while (reader.next()) {
    if (reader.fieldNumber === 1 && reader.wireType === WIRE_VARINT) ms += varint(reader, 'seconds') * 1000;
    else if (reader.fieldNumber === 2 && reader.wireType === WIRE_VARINT) ms += reader.varint32('nanos') / 1e6;
    else reader.skip();
  }
  return ms;
}

/** Exact to 2^53. */
function varint(reader: WireReader, what: string): number {
  let value = 0;
  for (let factor = 1; factor < 2 ** 63; factor *= 128) {
    const byte = reader.bytes[reader.position];
    if (byte === undefined) throw new WireError('TRUNCATED', `${what} is cut at byte ${reader.position}`);
    reader.position++;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
  throw new WireError('MALFORMED', `${what} before byte ${reader.position} is longer than 9 bytes`);
}
