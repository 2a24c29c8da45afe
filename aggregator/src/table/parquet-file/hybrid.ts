// Small integers as Parquet's RLE/bit-packed hybrid
// (https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE): what repeats eight times and more is a run, the rest is
// packed, eight values at a time.
import type { ByteSink } from './byte-sink.ts';

const GROUP = 8;

/** Bits that values from 0 to `largest` need. */
export function bitWidth(largest: number): number {
  return 32 - Math.clz32(largest);
}

/** Appends the first `count` values, each of `width` bits, at most 24. */
export function writeHybrid(sink: ByteSink, values: Uint32Array | Uint8Array, count: number, width: number): void {
  let position = 0;
  while (position < count) {
    const run = runLength(values, position, count);
    if (run >= GROUP) {
      writeRun(sink, values[position]!, run, width);
      position += run;
    } else {
      const end = packedEnd(values, position, count);
      pack(sink, values, position, end, width);
      position = end;
    }
  }
}

/** Appends `count` times the same value. */
export function writeRun(sink: ByteSink, value: number, count: number, width: number): void {
  if (count === 0) return;
  sink.varint(count * 2);
  for (let shift = 0; shift < width; shift += 8) sink.byte((value >>> shift) & 0xff);
}

function runLength(values: Uint32Array | Uint8Array, from: number, count: number): number {
  const value = values[from];
  let end = from + 1;
  while (end < count && values[end] === value) end++;
  return end - from;
}

/** Where packing ends: whole groups, up to the next that begins a run, or all that is left. */
function packedEnd(values: Uint32Array | Uint8Array, from: number, count: number): number {
  let end = from + GROUP;
  while (end < count && !beginsRun(values, end, count)) end += GROUP;
  return Math.min(end, count);
}

function beginsRun(values: Uint32Array | Uint8Array, from: number, count: number): boolean {
  if (from + GROUP > count) return false;
  for (let i = 1; i < GROUP; i++) if (values[from + i] !== values[from]) return false;
  return true;
}

/** The last group is filled up with zeros. */
function pack(sink: ByteSink, values: Uint32Array | Uint8Array, from: number, end: number, width: number): void {
  const groups = Math.ceil((end - from) / GROUP);
  sink.varint(groups * 2 + 1);
  const bytes = sink.reserve(groups * width);
  let position = sink.length;
  let bits = 0;
  let pending = 0;
  for (let i = from; i < from + groups * GROUP; i++) {
    if (i < end) pending |= values[i]! << bits;
    bits += width;
    while (bits >= 8) {
      bytes[position++] = pending;
      pending >>>= 8;
      bits -= 8;
    }
  }
  sink.length = position;
}
