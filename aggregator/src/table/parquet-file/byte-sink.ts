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

  /** What `uint32` wrote there. */
  uint32At(position: number): number {
    return this.#bytes.readUInt32LE(position);
  }

  /** The order of two pieces of what was written: below 0, above 0, or 0. */
  compare(a: number, aEnd: number, b: number, bEnd: number): number {
    const bytes = this.#bytes;
    const common = Math.min(aEnd - a, bEnd - b);
    for (let i = 0; i < common; i++) {
      const difference = bytes[a + i]! - bytes[b + i]!;
      if (difference !== 0) return difference;
    }
    return aEnd - a - (bEnd - b);
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

  /** UTF-8, with its length in four bytes before it. */
  text(value: string): void {
    // A code unit is three bytes at most. Written in place: a view for each text would be garbage of the text's own size.
    this.reserve(4 + 3 * value.length);
    const written = this.#bytes.write(value, this.length + 4);
    this.uint32(written);
    this.length += written;
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length).set(value, this.length);
    this.length += value.length;
  }
}
