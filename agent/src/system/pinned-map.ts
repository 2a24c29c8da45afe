// A BPF map that another program pinned in a bpffs, read only: opened by its path, read in batches (bpf(2),
// include/uapi/linux/bpf.h). Knows nothing of what keys and values mean. Reading does not count as a use of an entry:
// nothing is kept longer in an LRU map because we looked.
import { closeSync } from 'node:fs';
import { SystemCallError } from '../errors.ts';
import { addressOf, bpf, ERRNO, errnoName } from './libc.ts';

const BPF_OBJ_GET = 7;
const BPF_OBJ_GET_INFO_BY_FD = 15;
const BPF_MAP_LOOKUP_BATCH = 24;
/** Open for reading only. */
const BPF_F_RDONLY = 1 << 3;
const MAP_INFO_BYTES = 88;
/** struct { in_batch, out_batch, keys, values: u64; count, map_fd: u32; elem_flags, flags: u64 } */
const BATCH_ATTRIBUTES_BYTES = 56;
/** Entries read by one call. A call reads whole buckets, so it must hold at least the largest one. */
const BATCH_ENTRIES = 4096;
const BATCH_ENTRIES_MAX = 1 << 20;

/** What the kernel says of a map. */
export interface MapInfo {
  /** Of this map and no other, as long as the kernel runs. */
  readonly id: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entriesMax: number;
}

/** Entries of one call: `count` keys and values, one after another. Valid only during the call. */
export type MapPart = (keys: DataView, values: DataView, count: number) => void;

/** An open map. It lives while it is open, whatever becomes of its path. */
export class PinnedMap {
  readonly path: string;
  readonly info: MapInfo;
  readonly #fd: number;
  #keys: Uint8Array = new Uint8Array(0);
  #values: Uint8Array = new Uint8Array(0);
  #batchEntries = 0;

  private constructor(path: string, fd: number, info: MapInfo) {
    this.path = path;
    this.#fd = fd;
    this.info = info;
  }

  /**
   * Opens what is pinned at a path; undefined when nothing is.
   * @throws SystemCallError NOT_PERMITTED without the rights, SYSTEM_CALL_FAILED for a path that is no map
   */
  static open(path: string): PinnedMap | undefined {
    const name = Buffer.from(`${path}\0`);
    const attributes = new DataView(new ArrayBuffer(16));
    attributes.setBigUint64(0, addressOf(name), true);
    attributes.setUint32(12, BPF_F_RDONLY, true);
    const fd = bpf(BPF_OBJ_GET, bytesOf(attributes));
    if (fd === -ERRNO.ENOENT) return undefined;
    if (fd < 0) throw failure(fd, `opening the map ${path}`);
    try {
      return new PinnedMap(path, fd, infoOf(fd, path));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /**
   * Reads all entries. Those that come or go meanwhile are in it or not; none is in it twice.
   * @throws SystemCallError
   */
  read(take: MapPart): void {
    if (this.#batchEntries === 0) this.#makeRoom(Math.min(BATCH_ENTRIES, this.info.entriesMax));
    // Where to go on: the kernel's word, and the buffer for its next one.
    const cursors = [Buffer.alloc(8), Buffer.alloc(8)] as const;
    for (let calls = 0, from: Buffer | undefined; ; ) {
      const to = cursors[calls % 2]!;
      const attributes = this.#attributes(from, to);
      const result = bpf(BPF_MAP_LOOKUP_BATCH, bytesOf(attributes));
      if (result === -ERRNO.ENOSPC && this.#batchEntries < BATCH_ENTRIES_MAX) {
        this.#makeRoom(this.#batchEntries * 2);
        continue;
      }
      if (result < 0 && result !== -ERRNO.ENOENT) throw failure(result, `reading the map ${this.path}`);
      const count = attributes.getUint32(32, true);
      if (count > 0) take(viewOf(this.#keys), viewOf(this.#values), count);
      if (result < 0) return;
      from = to;
      calls++;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #makeRoom(entries: number): void {
    this.#batchEntries = entries;
    this.#keys = new Uint8Array(entries * this.info.keyBytes);
    this.#values = new Uint8Array(entries * this.info.valueBytes);
  }

  #attributes(from: Buffer | undefined, to: Buffer): DataView {
    const attributes = new DataView(new ArrayBuffer(BATCH_ATTRIBUTES_BYTES));
    attributes.setBigUint64(0, from === undefined ? 0n : addressOf(from), true);
    attributes.setBigUint64(8, addressOf(to), true);
    attributes.setBigUint64(16, addressOf(this.#keys), true);
    attributes.setBigUint64(24, addressOf(this.#values), true);
    attributes.setUint32(32, this.#batchEntries, true);
    attributes.setUint32(36, this.#fd, true);
    return attributes;
  }
}

function infoOf(fd: number, path: string): MapInfo {
  const info = new DataView(new ArrayBuffer(MAP_INFO_BYTES));
  const attributes = new DataView(new ArrayBuffer(16));
  attributes.setUint32(0, fd, true);
  attributes.setUint32(4, MAP_INFO_BYTES, true);
  attributes.setBigUint64(8, addressOf(bytesOf(info)), true);
  const result = bpf(BPF_OBJ_GET_INFO_BY_FD, bytesOf(attributes));
  if (result < 0) throw failure(result, `asking what ${path} is`);
  return {
    id: info.getUint32(4, true),
    keyBytes: info.getUint32(8, true),
    valueBytes: info.getUint32(12, true),
    entriesMax: info.getUint32(16, true),
  };
}

function failure(result: number, doing: string): SystemCallError {
  const errno = -result;
  const mayNot = errno === ERRNO.EPERM || errno === ERRNO.EACCES;
  const advice = mayNot
    ? ': the agent must be allowed to read the file, and before Linux 6.0 needs CAP_BPF (before 5.8 CAP_SYS_ADMIN)'
    : '';
  const tooOld = errno === ERRNO.EINVAL ? ': reading in batches needs Linux 5.6' : '';
  return new SystemCallError('bpf', errno, errnoName(errno), `${doing}${advice}${tooOld}`);
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
