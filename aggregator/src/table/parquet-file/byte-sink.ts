// Bytes that are appended one after another, in memory that grows and is used again.
import { freeBytes } from '@flowtoll/proto';

/** A page's header fits. */
const FIRST_BYTES = 256;

export class ByteSink {
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Bytes written. */
  length = 0;

  /** A view of what was written; valid until the next call. */
  view(): Uint8Array {
    // No Buffer: its slice() does not copy.
    return new Uint8Array(this.#bytes.buffer, 0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  /** Gives the memory back; of no use afterwards. */
  free(): void {
    freeBytes(this.#bytes);
  }

  /** Makes room for `count` more bytes and returns the array to write them into, from `length` on; whoever writes moves `length`. */
  reserve(count: number): Uint8Array {
    const needed = this.length + count;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.view());
      freeBytes(this.#bytes);
      this.#bytes = larger;
    }
    return this.#bytes;
  }

  byte(value: number): void {
    this.reserve(1)[this.length++] = value;
  }

  /** Four bytes, low byte first. */
  uint32(value: number): void {
    const bytes = this.reserve(4);
    for (let shift = 0; shift < 32; shift += 8) bytes[this.length++] = value >>> shift;
  }

  /** An unsigned integer below 2^53, seven bits a byte, low bits first. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  /** A few bytes of others: by hand, because a view for each would be garbage, and a call costs more than they do. */
  part(from: Uint8Array, start: number, end: number): void {
    const bytes = this.reserve(end - start);
    let { length } = this;
    for (let i = start; i < end; i++) bytes[length++] = from[i]!;
    this.length = length;
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length).set(value, this.length);
    this.length += value.length;
  }
}
