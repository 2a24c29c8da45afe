// Where the accounting survives the agent: a directory on tmpfs, one folder per life of the kernel. A baseline is an image
// of the accounting at the end of one window; a journal holds the DESTROY events read since. Files are written under
// another name and renamed, so what is there is whole.
//
// File: u32 length of a JSON header, the header, the bytes of each column in the header's order, u32 CRC-32 of all before.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { AgentError } from '../errors.ts';

/** Version of the files' format; a file of another one is not read. */
const VERSION = 1;
const NAME = /^baseline\.(\d+)$/;
const JOURNAL_NAME = /^events\.(\d+)$/;

/** An image: a header of plain values, and columns. */
export interface BaselineImage {
  readonly header: Readonly<Record<string, unknown>>;
  readonly columns: readonly Uint8Array[];
}

/** Whether there is a baseline of this number; whether it can be read shows when it is. */
export function hasBaseline(root: string, bootId: string, number: string): boolean {
  return existsSync(join(root, bootId, `baseline.${number}`));
}

/** Whether an agent has kept an accounting in this life of the kernel, be it lost by now. */
export function wasAccounted(root: string, bootId: string): boolean {
  return existsSync(join(root, bootId));
}

/** The files of one life of the kernel. Numbers grow: baseline n belongs to the window that the agent closed as its n-th. */
export class BaselineStore {
  readonly #directory: string;

  /**
   * @param root directory on tmpfs, /run/flowtoll
   * @param bootId life of the kernel; folders of other lives are removed
   * @throws AgentError STATE_UNAVAILABLE when the directory cannot be made
   */
  constructor(root: string, bootId: string) {
    this.#directory = join(root, bootId);
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      for (const other of readdirSync(root)) {
        if (other !== bootId && /^[0-9a-f-]{36}$/.test(other)) rmSync(join(root, other), { recursive: true });
      }
    } catch (error) {
      throw new AgentError(
        'STATE_UNAVAILABLE',
        `cannot use ${root} for the baseline (${(error as Error).message}): name a writable directory on tmpfs with ` +
          '--state (FLOWTOLL_STATE), or "none" to go without',
        { cause: error },
      );
    }
  }

  /** Numbers of the baselines that are there, ascending. */
  numbers(): number[] {
    return this.#numbered(NAME);
  }

  /** Numbers of the journals that are there, ascending. */
  journalNumbers(): number[] {
    return this.#numbered(JOURNAL_NAME);
  }

  /** Path of the journal of what happened after baseline n. */
  journalPath(number: number): string {
    return join(this.#directory, `events.${number}`);
  }

  /** Writes an image; it is there whole or not at all. */
  write(number: number, image: BaselineImage): void {
    const header = new TextEncoder().encode(
      JSON.stringify({ ...image.header, version: VERSION, columnBytes: image.columns.map((column) => column.length) }),
    );
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, header.length, true);
    const parts = [length, header, ...image.columns];
    const checksum = new Uint8Array(4);
    new DataView(checksum.buffer).setUint32(
      0,
      parts.reduce((sum, part) => crc32(part, sum), 0),
      true,
    );
    const path = join(this.#directory, `baseline.${number}`);
    const fd = openSync(`${path}.tmp`, 'w', 0o600);
    try {
      for (const part of [...parts, checksum]) for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
    } finally {
      closeSync(fd);
    }
    renameSync(`${path}.tmp`, path);
  }

  /** Reads an image; undefined when it is not there, damaged, or of another version. */
  read(number: number): BaselineImage | undefined {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(join(this.#directory, `baseline.${number}`));
    } catch {
      return undefined;
    }
    if (bytes.length < 8) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const end = bytes.length - 4;
    if (view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) return undefined;
    const headerEnd = 4 + view.getUint32(0, true);
    if (headerEnd > end) return undefined;
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, headerEnd))) as Record<string, unknown>;
    if (header['version'] !== VERSION) return undefined;
    const columns: Uint8Array[] = [];
    let at = headerEnd;
    for (const columnBytes of header['columnBytes'] as number[]) {
      // Copies: columns must lie at multiples of their element size.
      columns.push(bytes.slice(at, at + columnBytes));
      at += columnBytes;
    }
    return at === end ? { header, columns } : undefined;
  }

  /** Forgets what is older than baseline n; it was superseded by it. */
  dropBefore(number: number): void {
    for (const old of this.numbers()) if (old < number) rmSync(join(this.#directory, `baseline.${old}`));
    for (const old of this.journalNumbers()) if (old < number) rmSync(this.journalPath(old));
  }

  /** Forgets baselines whose batch was never spooled. The journals stay: their events happened. */
  dropBaselinesAfter(number: number): void {
    for (const newer of this.numbers()) if (newer > number) rmSync(join(this.#directory, `baseline.${newer}`));
  }

  /** Forgets everything of this life of the kernel. */
  clear(): void {
    for (const name of readdirSync(this.#directory))
      rmSync(join(this.#directory, name), { recursive: true, force: true });
  }

  #numbered(pattern: RegExp): number[] {
    return readdirSync(this.#directory)
      .flatMap((name) => pattern.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }
}
