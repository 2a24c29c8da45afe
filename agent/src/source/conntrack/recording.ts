// Recordings: what a conntrack source said, with its times, in a file. For tests and bug reports.
//
// Format, little-endian: "FTCT", u32 version 1, u32 length of a JSON text that says where it comes from, that text; then
// records: u32 kind, u32 length, f64 time in µs since the Unix epoch, `length` bytes. No padding. A file that ends within a
// record was cut while it was written: what is whole before is good.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { AgentError } from '../../errors.ts';
import type { ConntrackConsumer } from './consumer.ts';
import type { DumpProgress } from './message-reader.ts';

/** Where a recording comes from. */
export interface RecordingOrigin {
  /** "Linux 6.18.44". */
  readonly kernel: string;
  /** How it was made, as somebody would type it. */
  readonly command: string;
  /** When it began, ISO 8601. */
  readonly date: string;
  /** Name of the node. */
  readonly node: string;
  /** Whether nf_conntrack_timestamp was on. */
  readonly timestamps: boolean;
}

const MAGIC = 0x54435446;
const VERSION = 1;
const FILE_HEADER_BYTES = 12;
const RECORD_HEADER_BYTES = 16;
/** A datagram of netlink is at most 32 KiB; anything larger in a file is damage. */
const MAX_RECORD_BYTES = 1024 * 1024;
const UNKNOWN_EVENTS = 0xffffffff;
/** 2200-01-01; a later time is damage. */
const LATEST_TIME_US = 7_258_118_400e6;

const DUMP_BEGIN = 1;
const DUMP_DATAGRAM = 2;
const DUMP_END = 3;
const DUMP_FAILED = 4;
const EVENT = 5;
const EVENTS_DROPPED = 6;
const EVENTS_DELAYED = 7;

/** Writes what passes to a file and hands it on. */
export class Recorder implements ConntrackConsumer {
  readonly #path: string;
  readonly #fd: number;
  readonly #next: ConntrackConsumer;
  readonly #nowUs: () => number;
  readonly #header = new DataView(new ArrayBuffer(RECORD_HEADER_BYTES));
  #bytesWritten = 0;

  /** @throws AgentError RECORDING_INVALID when the file cannot be made */
  constructor(path: string, origin: RecordingOrigin, next: ConntrackConsumer, nowUs: () => number) {
    this.#path = path;
    this.#next = next;
    this.#nowUs = nowUs;
    try {
      this.#fd = openSync(path, 'wx');
    } catch (error) {
      throw new AgentError('RECORDING_INVALID', `cannot make ${path}: ${(error as Error).message}`, { cause: error });
    }
    const text = new TextEncoder().encode(JSON.stringify(origin));
    const header = new DataView(new ArrayBuffer(FILE_HEADER_BYTES));
    header.setUint32(0, MAGIC, true);
    header.setUint32(4, VERSION, true);
    header.setUint32(8, text.length, true);
    this.#writeAll(new Uint8Array(header.buffer));
    this.#writeAll(text);
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  dumpBegin(timeUs: number): void {
    this.#record(DUMP_BEGIN, timeUs, new Uint8Array(0));
    this.#next.dumpBegin(timeUs);
  }

  dumpDatagram(words: Int32Array, length: number): DumpProgress {
    this.#record(DUMP_DATAGRAM, this.#nowUs(), new Uint8Array(words.buffer, words.byteOffset, length));
    return this.#next.dumpDatagram(words, length);
  }

  dumpEnd(timeUs: number, complete: boolean): void {
    this.#record(complete ? DUMP_END : DUMP_FAILED, timeUs, new Uint8Array(0));
    this.#next.dumpEnd(timeUs, complete);
  }

  eventDatagram(words: Int32Array, offset: number, length: number): void {
    this.#record(EVENT, this.#nowUs(), new Uint8Array(words.buffer, words.byteOffset + offset, length));
    this.#next.eventDatagram(words, offset, length);
  }

  eventsDropped(timeUs: number, events: number | undefined): void {
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, events ?? UNKNOWN_EVENTS, true);
    this.#record(EVENTS_DROPPED, timeUs, value);
    this.#next.eventsDropped(timeUs, events);
  }

  eventsDelayed(timeUs: number): void {
    this.#record(EVENTS_DELAYED, timeUs, new Uint8Array(0));
    this.#next.eventsDelayed(timeUs);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #record(kind: number, timeUs: number, bytes: Uint8Array): void {
    this.#header.setUint32(0, kind, true);
    this.#header.setUint32(4, bytes.length, true);
    this.#header.setFloat64(8, timeUs, true);
    this.#writeAll(new Uint8Array(this.#header.buffer));
    this.#writeAll(bytes);
  }

  #writeAll(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      throw new AgentError('RECORDING_INVALID', `cannot write ${this.#path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    this.#bytesWritten += bytes.length;
  }
}

/** A recording, read from a file or from memory. */
export class Recording {
  readonly origin: RecordingOrigin;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;

  /** @throws AgentError RECORDING_INVALID */
  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < FILE_HEADER_BYTES || this.#view.getUint32(0, true) !== MAGIC) {
      throw new AgentError('RECORDING_INVALID', `${name} is not a conntrack recording`);
    }
    const version = this.#view.getUint32(4, true);
    if (version !== VERSION) {
      throw new AgentError('RECORDING_INVALID', `${name} has version ${version}; this agent reads version ${VERSION}`);
    }
    const textBytes = this.#view.getUint32(8, true);
    this.#start = FILE_HEADER_BYTES + textBytes;
    if (this.#start > bytes.length) throw new AgentError('RECORDING_INVALID', `${name} ends within its header`);
    let origin: unknown;
    try {
      origin = JSON.parse(new TextDecoder().decode(bytes.subarray(FILE_HEADER_BYTES, this.#start)));
    } catch (error) {
      throw new AgentError('RECORDING_INVALID', `${name}: its header is not JSON`, { cause: error });
    }
    if (!isOrigin(origin)) {
      throw new AgentError('RECORDING_INVALID', `${name}: its header lacks kernel, command, date, node or timestamps`);
    }
    this.origin = origin;
  }

  /** @throws AgentError RECORDING_INVALID when the file cannot be read or is none */
  static open(path: string): Recording {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      throw new AgentError('RECORDING_INVALID', `cannot read ${path}: ${(error as Error).message}`, { cause: error });
    }
    return new Recording(bytes, path);
  }

  /**
   * Says again what was recorded. `onTime` is called before each record with its time.
   * @returns whether the file was whole
   * @throws AgentError RECORDING_INVALID for a record that no recorder writes
   */
  replay(consumer: ConntrackConsumer, onTime: (timeUs: number) => void = () => {}): boolean {
    let at = this.#start;
    while (at + RECORD_HEADER_BYTES <= this.#bytes.length) {
      const kind = this.#view.getUint32(at, true);
      const length = this.#view.getUint32(at + 4, true);
      const timeUs = this.#view.getFloat64(at + 8, true);
      if (length > MAX_RECORD_BYTES) throw this.#damaged(at, `a record of ${length} bytes`);
      if (!(timeUs >= 0 && timeUs < LATEST_TIME_US)) throw this.#damaged(at, `a record of the time ${timeUs}`);
      const start = at + RECORD_HEADER_BYTES;
      if (start + length > this.#bytes.length) return false;
      onTime(timeUs);
      this.#say(consumer, kind, timeUs, this.#bytes.subarray(start, start + length), at);
      at = start + length;
    }
    return at === this.#bytes.length;
  }

  #say(consumer: ConntrackConsumer, kind: number, timeUs: number, bytes: Uint8Array, at: number): void {
    switch (kind) {
      case DUMP_BEGIN:
        consumer.dumpBegin(timeUs);
        return;
      case DUMP_DATAGRAM:
        consumer.dumpDatagram(alignedWords(bytes), bytes.length);
        return;
      case DUMP_END:
      case DUMP_FAILED:
        consumer.dumpEnd(timeUs, kind === DUMP_END);
        return;
      case EVENT:
        consumer.eventDatagram(alignedWords(bytes), 0, bytes.length);
        return;
      case EVENTS_DROPPED: {
        if (bytes.length !== 4) throw this.#damaged(at, `a count of ${bytes.length} bytes`);
        const events = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
        consumer.eventsDropped(timeUs, events === UNKNOWN_EVENTS ? undefined : events);
        return;
      }
      case EVENTS_DELAYED:
        consumer.eventsDelayed(timeUs);
        return;
      default:
        throw this.#damaged(at, `a record of kind ${kind}`);
    }
  }

  #damaged(at: number, what: string): AgentError {
    return new AgentError('RECORDING_INVALID', `the recording has ${what} at byte ${at}; it is damaged`);
  }
}

function isOrigin(value: unknown): value is RecordingOrigin {
  if (typeof value !== 'object' || value === null) return false;
  const { kernel, command, date, node, timestamps } = value as Record<string, unknown>;
  return [kernel, command, date, node].every((text) => typeof text === 'string') && typeof timestamps === 'boolean';
}

/** A copy that starts at a multiple of 4 and whose size is one. */
function alignedWords(bytes: Uint8Array): Int32Array {
  const words = new Int32Array((bytes.length + 3) >> 2);
  new Uint8Array(words.buffer).set(bytes);
  return words;
}
