// A cursor over protobuf bytes (https://protobuf.dev/programming-guides/encoding/): tags, varints, lengths, and skipping of
// what is unknown. Each read checks the length first; nothing is allocated. Knows no message.
import { WireError } from './wire-error.ts';

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_GROUP_START = 3;
export const WIRE_GROUP_END = 4;
export const WIRE_FIXED32 = 5;

/** Groups inside groups that `skip` follows before it gives up: protobuf implementations agree on 100. */
const GROUP_DEPTH_MAX = 100;

/** Reads one message from its first byte to its last. */
export class WireReader {
  readonly bytes: Uint8Array;
  /** Position of the next byte. */
  position = 0;
  /** Field number of the last tag. */
  fieldNumber = 0;
  /** Wire type of the last tag. */
  wireType = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Reads the next tag into `fieldNumber` and `wireType`; false at the end of the bytes. */
  next(): boolean {
    if (this.position >= this.bytes.length) return false;
    const tag = this.varint32('a tag');
    this.fieldNumber = tag >>> 3;
    this.wireType = tag & 7;
    if (this.fieldNumber === 0) throw new WireError('MALFORMED', `field number 0 at byte ${this.position}`);
    return true;
  }

  /** Reads a varint that fits 32 bits; `what` names it in errors. */
  varint32(what: string): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.position];
      if (byte === undefined) throw new WireError('TRUNCATED', `${what} is cut at byte ${this.position}`);
      this.position++;
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError('MALFORMED', `${what} before byte ${this.position} does not fit 32 bits`);
  }

  /** Reads the length of a length-delimited field and checks that so many bytes follow. */
  length(what: string): number {
    const length = this.varint32(`the length of ${what}`);
    this.need(length, what);
    return length;
  }

  /** Moves past `count` bytes that must be there. */
  advance(count: number, what: string): void {
    this.need(count, what);
    this.position += count;
  }

  /** Moves past the value whose tag was read last, whatever it is. */
  skip(): void {
    this.#skipValue(this.fieldNumber, this.wireType, 0);
  }

  #skipValue(fieldNumber: number, wireType: number, depth: number): void {
    const what = `field ${fieldNumber}`;
    switch (wireType) {
      case WIRE_VARINT:
        this.#skipVarint(what);
        break;
      case WIRE_FIXED64:
        this.advance(8, what);
        break;
      case WIRE_BYTES:
        this.advance(this.length(what), what);
        break;
      case WIRE_FIXED32:
        this.advance(4, what);
        break;
      case WIRE_GROUP_START:
        this.#skipGroup(fieldNumber, depth + 1);
        break;
      default:
        throw new WireError('MALFORMED', `${what} has wire type ${wireType} at byte ${this.position}`);
    }
  }

  #skipVarint(what: string): void {
    for (let count = 0; count < 10; count++) {
      const byte = this.bytes[this.position];
      if (byte === undefined) throw new WireError('TRUNCATED', `${what} is cut at byte ${this.position}`);
      this.position++;
      if (byte < 0x80) return;
    }
    throw new WireError('MALFORMED', `${what}: a varint longer than 10 bytes before byte ${this.position}`);
  }

  #skipGroup(fieldNumber: number, depth: number): void {
    if (depth > GROUP_DEPTH_MAX) {
      throw new WireError('MALFORMED', `groups nested deeper than ${GROUP_DEPTH_MAX} at byte ${this.position}`);
    }
    while (this.next()) {
      if (this.wireType !== WIRE_GROUP_END) {
        this.#skipValue(this.fieldNumber, this.wireType, depth);
        continue;
      }
      if (this.fieldNumber === fieldNumber) return;
      throw new WireError('MALFORMED', `group ${fieldNumber} ends as ${this.fieldNumber} at byte ${this.position}`);
    }
    throw new WireError('TRUNCATED', `group ${fieldNumber} has no end`);
  }

  need(count: number, what: string): void {
    const left = this.bytes.length - this.position;
    if (count > left) {
      throw new WireError('TRUNCATED', `${what} needs ${count} bytes at byte ${this.position}, ${left} are left`);
    }
  }
}
