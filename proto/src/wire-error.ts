// The one error type of the wire codecs. They raise it for any bytes and for any values that the contract in
// flowtoll/v1/*.proto does not allow; nothing else leaves a codec. Knows neither agent nor aggregator.

/** Stable codes of what can be wrong. */
export type WireErrorCode =
  | 'TRUNCATED' // the bytes end inside a field
  | 'MALFORMED' // a tag, a varint or a group that protobuf does not allow
  | 'WIRE_TYPE' // a known field with another wire type than its declaration's
  | 'COLUMN_LENGTH' // a column whose length is not what it must be
  | 'ADDRESS_LENGTH' // an address that has neither 4 nor 16 bytes
  | 'COUNTER_RANGE' // a counter that is not an integer from 0 to 2^53 - 1
  | 'OVER_LIMIT' // more than the reader takes
  | 'ZSTD'; // not one zstd frame that states its content size

/** Bytes or values that break the wire contract. `message` says which field, where, and both sizes. */
export class WireError extends Error {
  readonly code: WireErrorCode;

  constructor(code: WireErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WireError';
    this.code = code;
  }
}
