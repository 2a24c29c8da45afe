// Files of a spool: places (directories with a limit) and segments in them. Everything is synchronous: a batch is on disk
// when the call returns, and the order of writes is the order of the code. Knows records as bytes, nothing of epochs.
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type SegmentScan, scanSegment, segmentVersion } from './record.ts';

/** When what was written must be on the disk: after each batch, or whenever the kernel likes. */
export type FsyncPolicy = 'batch' | 'never';

/** A directory for segments. */
export interface Place {
  readonly directory: string;
  /** Most bytes of segments. */
  readonly bytesMax: number;
  /** Bytes of the segments in it. */
  bytes: number;
  /** The last write failed. */
  troubled: boolean;
}

/** Makes the names in a directory durable. */
export function syncDirectory(directory: string, policy: FsyncPolicy): void {
  if (policy === 'never') return;
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a directory and its name durable; nothing when it is there. */
export function makeDirectory(directory: string, policy: FsyncPolicy): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (first !== undefined) syncDirectory(dirname(directory), policy);
}

/** Writes a file under another name, then gives it this one: it is there whole or not at all. */
export function writeWhole(path: string, bytes: Uint8Array, policy: FsyncPolicy): void {
  const scratch = `${path}.new`;
  const fd = openSync(scratch, 'w', 0o600);
  try {
    writeAll(fd, bytes, 0);
    if (policy === 'batch') fsyncSync(fd);
  } catch (error) {
    rmSync(scratch, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(scratch, path);
  syncDirectory(dirname(path), policy);
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/** One segment file. */
export class Segment {
  readonly place: Place;
  readonly path: string;
  /** Length of the file. */
  size: number;
  /** Sequence number of the last batch in it; 0 when it has none. */
  lastSequence: number;
  readonly #policy: FsyncPolicy;
  #fd: number | undefined;

  private constructor(place: Place, path: string, size: number, lastSequence: number, policy: FsyncPolicy) {
    this.place = place;
    this.path = path;
    this.size = size;
    this.lastSequence = lastSequence;
    this.#policy = policy;
    place.bytes += size;
  }

  /** Makes a segment with this content; throws what the file system throws, and leaves nothing then. */
  static create(place: Place, path: string, bytes: Uint8Array, lastSequence: number, policy: FsyncPolicy): Segment {
    makeDirectory(dirname(path), policy);
    writeWhole(path, bytes, policy);
    return new Segment(place, path, bytes.length, lastSequence, policy);
  }

  /** Takes an existing file; its content is given to be scanned. */
  static open(place: Place, path: string, policy: FsyncPolicy): { segment: Segment; scan: SegmentScan } | number {
    const bytes = readFileSync(path);
    const version = segmentVersion(bytes);
    const scan = scanSegment(bytes);
    if (version !== undefined && scan.header === undefined) return version;
    return { segment: new Segment(place, path, bytes.length, 0, policy), scan };
  }

  /** Appends; durable afterwards if the policy says so. When it fails, the file is as before, or its tail is torn. */
  append(bytes: Uint8Array, durable: boolean): void {
    this.#fd ??= openSync(this.path, 'r+');
    try {
      writeAll(this.#fd, bytes, this.size);
      if (durable && this.#policy === 'batch') fsyncSync(this.#fd);
    } catch (error) {
      this.#cut(this.#fd, this.size);
      throw error;
    }
    this.size += bytes.length;
    this.place.bytes += bytes.length;
  }

  /** Puts other content in the file's place, all of it or nothing. */
  rewrite(bytes: Uint8Array): void {
    writeWhole(this.path, bytes, this.#policy);
    this.close();
    this.place.bytes += bytes.length - this.size;
    this.size = bytes.length;
  }

  /** Cuts a torn tail. */
  truncate(size: number): void {
    this.#fd ??= openSync(this.path, 'r+');
    ftruncateSync(this.#fd, size);
    if (this.#policy === 'batch') fsyncSync(this.#fd);
    this.place.bytes += size - this.size;
    this.size = size;
  }

  /** Bytes of the file; undefined when they cannot be read. */
  read(at: number, length: number): Buffer | undefined {
    const bytes = Buffer.allocUnsafe(length);
    try {
      const fd = openSync(this.path, 'r');
      try {
        return readSync(fd, bytes, 0, length, at) === length ? bytes : undefined;
      } finally {
        closeSync(fd);
      }
    } catch {
      return undefined;
    }
  }

  /** Removes the file. What cannot be removed is found again at the next start. */
  remove(): void {
    this.close();
    this.place.bytes -= this.size;
    try {
      rmSync(this.path, { force: true });
      syncDirectory(dirname(this.path), this.#policy);
    } catch {
      // A disk that takes no change: counted and told where batches are written.
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #cut(fd: number, size: number): void {
    try {
      ftruncateSync(fd, size);
    } catch {
      // The tail stays torn; reading cuts it.
    }
  }
}

/** Whether there is something of this name. */
export function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Path of a segment by its first sequence number. */
export function segmentPath(place: Place, folder: string, firstSequence: number): string {
  return join(place.directory, folder, `${String(firstSequence).padStart(16, '0')}.spool`);
}
