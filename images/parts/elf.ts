// What an ELF file says of itself: for which machine it is, and which libraries the loader has to find for it. Reads 64-bit
// little-endian files, the only ones in images. Knows no folders.
import { closeSync, openSync, readSync } from 'node:fs';

export interface ElfFile {
  /** `e_machine`: 62 is x86-64, 183 is AArch64. */
  readonly machine: number;
  /** DT_NEEDED: libraries by their names. */
  readonly needed: readonly string[];
  /** PT_INTERP: the loader of a program; undefined for libraries. */
  readonly interpreter: string | undefined;
}

const HEADER_BYTES = 64;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: bigint;
  readonly fileBytes: number;
}

/** Undefined when the file is no ELF file. Throws when it is one of another kind than images hold. */
export function readElf(path: string): ElfFile | undefined {
  const fd = openSync(path, 'r');
  try {
    const at = (offset: number, bytes: number): Buffer => {
      const buffer = Buffer.alloc(bytes);
      return buffer.subarray(0, readSync(fd, buffer, 0, bytes, offset));
    };
    const header = at(0, HEADER_BYTES);
    if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
    if (header[4] !== 2 || header[5] !== 1) throw new Error(`${path} is no 64-bit little-endian ELF file`);
    const segments = readSegments(header, at);
    const interpreter = segments.find(({ type }) => type === PT_INTERP);
    return {
      machine: header.readUInt16LE(18),
      needed: readNeeded(segments, at),
      interpreter: interpreter && text(at(interpreter.offset, interpreter.fileBytes), 0),
    };
  } finally {
    closeSync(fd);
  }
}

function readSegments(header: Buffer, at: (offset: number, bytes: number) => Buffer): Segment[] {
  const size = header.readUInt16LE(54);
  const table = at(Number(header.readBigUInt64LE(32)), size * header.readUInt16LE(56));
  const segments: Segment[] = [];
  for (let start = 0; start < table.length; start += size) {
    segments.push({
      type: table.readUInt32LE(start),
      offset: Number(table.readBigUInt64LE(start + 8)),
      address: table.readBigUInt64LE(start + 16),
      fileBytes: Number(table.readBigUInt64LE(start + 32)),
    });
  }
  return segments;
}

function readNeeded(segments: readonly Segment[], at: (offset: number, bytes: number) => Buffer): string[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const entries = at(dynamic.offset, dynamic.fileBytes);
  const names: number[] = [];
  let strings = 0n;
  for (let start = 0; start < entries.length; start += 16) {
    const value = entries.readBigUInt64LE(start + 8);
    if (entries.readBigUInt64LE(start) === DT_NEEDED) names.push(Number(value));
    else if (entries.readBigUInt64LE(start) === DT_STRTAB) strings = value;
  }
  // The table of names is told by its address in memory.
  const holder = segments.find(
    ({ type, address, fileBytes }) => type === PT_LOAD && strings >= address && strings < address + BigInt(fileBytes),
  );
  if (holder === undefined) return [];
  const base = holder.offset + Number(strings - holder.address);
  return names.map((offset) => text(at(base + offset, 256), 0));
}

function text(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString('latin1', start, end < 0 ? bytes.length : end);
}
