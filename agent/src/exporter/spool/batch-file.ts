// One batch in one file of the spool. A minute's batch is 10 to 250 KB, so a file each costs little, and makes each step
// atomic: written under another name, synced, renamed (it is there whole or not at all); replaced by a rename;
// acknowledged by an unlink.
//
// Format, little-endian: "FTB1", u32 CRC-32 of all that follows, u32 length of the checkpoint, the checkpoint (UTF-8), the
// serialised Batch.
import { closeSync, fsyncSync, openSync, readFileSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';

const MAGIC_FAMILY = 0x425446; // "FTB"
const VERSION = 0x31; // "1"
const MAGIC = MAGIC_FAMILY | (VERSION << 24);
const HEADER_BYTES = 12;

/** What a file holds. */
export interface StoredBatch {
  /** Serialised Batch. */
  readonly bytes: Uint8Array;
  /** The accounting that belongs to it; empty when there is none. */
  readonly checkpoint: string;
}

/** Makes names in a directory durable. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes a file whole or not at all; with `sync`, it survives a loss of power once this returns. */
export function writeBatchFile(path: string, batch: StoredBatch, sync: boolean): void {
  const checkpoint = new TextEncoder().encode(batch.checkpoint);
  const body = new Uint8Array(4 + checkpoint.length + batch.bytes.length);
  new DataView(body.buffer).setUint32(0, checkpoint.length, true);
  body.set(checkpoint, 4);
  body.set(batch.bytes, 4 + checkpoint.length);
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, MAGIC, true);
  head.setUint32(4, crc32(body), true);
  const temporary = `${path}.tmp`;
  try {
    const fd = openSync(temporary, 'w', 0o600);
    try {
      for (const part of [new Uint8Array(head.buffer), body]) {
        for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
      }
      if (sync) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (sync) syncDirectory(dirname(path));
}

/** Reads a file; undefined when it is damaged. */
export function readBatchFile(path: string): StoredBatch | undefined {
  const file = readFileSync(path);
  if (file.length < HEADER_BYTES || file.readUInt32LE(0) !== MAGIC) return undefined;
  const body = file.subarray(8);
  if (file.readUInt32LE(4) !== crc32(body)) return undefined;
  const checkpointEnd = HEADER_BYTES + file.readUInt32LE(8);
  if (checkpointEnd > file.length) return undefined;
  return {
    checkpoint: file.toString('utf8', HEADER_BYTES, checkpointEnd),
    bytes: new Uint8Array(file.subarray(checkpointEnd)),
  };
}

/** Whether a file is of a format that a later version of the agent wrote. */
export function isOfNewerVersion(path: string): boolean {
  const head = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  try {
    if (readSync(fd, head) < 4) return false;
  } finally {
    closeSync(fd);
  }
  const magic = head.readUInt32LE(0);
  return (magic & 0xffffff) === MAGIC_FAMILY && magic >>> 24 > VERSION;
}
