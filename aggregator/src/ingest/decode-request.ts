// Bytes of an IngestRequest → its message, with a FlowColumns left as bytes for the column codec. protobuf-es reads the
// small parts; the large ones are walked over first, so that no message makes it allocate an object per byte.
import { fromBinary } from '@bufbuild/protobuf';
import {
  type Batch,
  BatchSchema,
  type Goodbye,
  GoodbyeSchema,
  type Hello,
  HelloSchema,
  WIRE_BYTES,
  WIRE_VARINT,
  WireError,
  WireReader,
} from '@flowtoll/proto';
import { InvalidMessageError } from './invalid-message.ts';

/** What an agent may say. `columns` are the bytes of an uncompressed FlowColumns; `batch` is all the rest. */
export type DecodedRequest =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'goodbye'; readonly goodbye: Goodbye }
  | DecodedBatch;

export interface DecodedBatch {
  readonly kind: 'batch';
  readonly batch: Batch;
  readonly columns: Uint8Array | undefined;
  /** The agent can send no more before an acknowledgement, and has more. */
  readonly isHeldBack: boolean;
}

const REQUEST_HELLO = 1;
const REQUEST_BATCH = 2;
const REQUEST_GOODBYE = 3;
const REQUEST_IS_HELD_BACK = 4;
const BATCH_COLUMNS = 6;
const BATCH_ZSTD_COLUMNS = 7;
const BATCH_LOSSES = 8;

const KINDS: ReadonlyMap<number, DecodedRequest['kind']> = new Map([
  [REQUEST_HELLO, 'hello'],
  [REQUEST_BATCH, 'batch'],
  [REQUEST_GOODBYE, 'goodbye'],
]);

/** Losses in one batch: an agent knows a handful of reasons. */
const LOSSES_MAX = 1000;

/** Unknown fields are for later versions of the contract; we keep none of them. */
const READ_OPTIONS = { readUnknownFields: false };

/** Reads one message. Throws InvalidMessageError `malformed` for bytes that are none. */
export function decodeRequest(bytes: Uint8Array): DecodedRequest {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof InvalidMessageError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidMessageError('malformed', `IngestRequest of ${bytes.length} bytes: ${reason}`, { cause: error });
  }
}

function decode(bytes: Uint8Array): DecodedRequest {
  let request: DecodedRequest | undefined;
  let isHeldBack = false;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    const { fieldNumber } = reader;
    if (fieldNumber === REQUEST_IS_HELD_BACK && reader.wireType === WIRE_VARINT) {
      isHeldBack = reader.varint32('is_held_back') !== 0;
      continue;
    }
    const kind = KINDS.get(fieldNumber);
    if (kind === undefined) {
      reader.skip();
      continue;
    }
    const body = lengthDelimited(reader, kind);
    if (request !== undefined) throw new InvalidMessageError('malformed', 'IngestRequest holds more than one message');
    request = decodeMessage(kind, body);
  }
  if (request === undefined) {
    throw new InvalidMessageError('malformed', 'IngestRequest holds no message');
  }
  return request.kind === 'batch' ? { ...request, isHeldBack } : request;
}

function decodeMessage(kind: DecodedRequest['kind'], body: Uint8Array): DecodedRequest {
  switch (kind) {
    case 'hello':
      return { kind, hello: fromBinary(HelloSchema, body, READ_OPTIONS) };
    case 'goodbye':
      return { kind, goodbye: fromBinary(GoodbyeSchema, body, READ_OPTIONS) };
    case 'batch':
      return decodeBatch(body);
  }
}

function lengthDelimited(reader: WireReader, what: string): Uint8Array {
  if (reader.wireType !== WIRE_BYTES) throw new WireError('WIRE_TYPE', `${what} has wire type ${reader.wireType}`);
  const length = reader.length(what);
  reader.position += length;
  return reader.bytes.subarray(reader.position - length, reader.position);
}

function decodeBatch(bytes: Uint8Array): DecodedRequest {
  let columns: { readonly bytes: Uint8Array; readonly start: number; readonly end: number } | undefined;
  let flowFields = 0;
  let losses = 0;
  const reader = new WireReader(bytes);
  for (let start = 0; reader.next(); start = reader.position) {
    const { fieldNumber } = reader;
    if (fieldNumber === BATCH_COLUMNS) {
      const body = lengthDelimited(reader, 'batch.columns');
      columns = { bytes: body, start, end: reader.position };
    } else reader.skip();
    if (fieldNumber === BATCH_COLUMNS || fieldNumber === BATCH_ZSTD_COLUMNS) flowFields++;
    if (fieldNumber === BATCH_LOSSES) losses++;
    // Merging two dictionaries would give meaning to indices that had none; nobody sends that.
    if (flowFields > 1) throw new InvalidMessageError('malformed', 'batch.flows is given twice');
    if (losses > LOSSES_MAX) {
      throw new InvalidMessageError('loss', `batch.losses has ${losses} elements or more; at most ${LOSSES_MAX}`);
    }
  }
  if (columns === undefined) {
    return {
      kind: 'batch',
      batch: fromBinary(BatchSchema, bytes, READ_OPTIONS),
      columns: undefined,
      isHeldBack: false,
    };
  }
  const rest = Buffer.concat([bytes.subarray(0, columns.start), bytes.subarray(columns.end)]);
  return {
    kind: 'batch',
    batch: fromBinary(BatchSchema, rest, READ_OPTIONS),
    columns: columns.bytes,
    isHeldBack: false,
  };
}
