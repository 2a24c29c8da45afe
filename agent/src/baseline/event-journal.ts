// DESTROY events since the last baseline, in a file on tmpfs: they are told once, so an agent that dies before its batch is
// spooled must find them again. The file is the messages one after another, as the kernel sent them, each padded to 4
// bytes: what was cut by a crash is seen by the reader of messages.
import { closeSync, futimesSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import type { ConntrackConsumer } from '../source/conntrack/consumer.ts';
import type { DumpProgress } from '../source/conntrack/message-reader.ts';

/** Events are gathered between two flushes, which come with each read of the event socket (64 events). */
const BUFFER_BYTES = 64 * 1024;
/** Most memory of tmpfs that one journal takes, about 250,000 events; beyond it the window is closed early. */
const FULL_BYTES = 64 * 1024 * 1024;

/** Notes events on their way from a source to the accounting. */
export class EventJournal implements ConntrackConsumer {
  readonly #next: ConntrackConsumer;
  readonly #onFailure: (error: Error) => void;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  #fd: number | undefined;
  #fileBytes = 0;

  /** @param onFailure the file cannot be written: it is closed, and events are not noted until the next `open` */
  constructor(next: ConntrackConsumer, onFailure: (error: Error) => void) {
    this.#next = next;
    this.#onFailure = onFailure;
  }

  /** Whether it should be superseded by a baseline soon. */
  get isFull(): boolean {
    return this.#fileBytes > FULL_BYTES;
  }

  /** Goes on in another file. Until the first call nothing is noted. */
  open(path: string): void {
    this.close();
    this.#fd = openSync(path, 'w', 0o600);
    this.#fileBytes = 0;
  }

  close(): void {
    this.#fileBytes = 0;
    if (this.#fd === undefined) return;
    this.#flush();
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  dumpBegin(timeUs: number): void {
    // A sign of life: the file's time says until when somebody listened.
    if (this.#fd !== undefined) futimesSync(this.#fd, timeUs / 1e6, timeUs / 1e6);
    this.#next.dumpBegin(timeUs);
  }

  dumpDatagram(words: Int32Array, length: number): DumpProgress {
    return this.#next.dumpDatagram(words, length);
  }

  dumpEnd(timeUs: number, complete: boolean): void {
    this.#next.dumpEnd(timeUs, complete);
  }

  eventDatagram(words: Int32Array, offset: number, length: number): void {
    const padded = (length + 3) & ~3;
    if (this.#buffered + padded > BUFFER_BYTES) this.#flush();
    // Padding is whatever follows in the source's memory: no reader looks at it.
    this.#buffer.set(new Uint8Array(words.buffer, words.byteOffset + offset, padded), this.#buffered);
    this.#buffered += padded;
    this.#next.eventDatagram(words, offset, length);
  }

  eventsRead(): void {
    this.#flush();
    this.#next.eventsRead?.();
  }

  eventsDropped(timeUs: number, events: number | undefined): void {
    this.#next.eventsDropped(timeUs, events);
  }

  eventsDelayed(timeUs: number): void {
    this.#next.eventsDelayed(timeUs);
  }

  #flush(): void {
    if (this.#fd !== undefined) {
      try {
        for (let at = 0; at < this.#buffered; ) at += writeSync(this.#fd, this.#buffer, at, this.#buffered - at);
        this.#fileBytes += this.#buffered;
      } catch (error) {
        closeSync(this.#fd);
        this.#fd = undefined;
        this.#fileBytes = 0;
        this.#onFailure(error as Error);
      }
    }
    this.#buffered = 0;
  }
}

/** Hands the events of a journal to a consumer; returns when it was last written, µs since the Unix epoch. */
export function replayJournal(path: string, consumer: ConntrackConsumer): number {
  const bytes = readFileSync(path);
  const words = new Int32Array((bytes.length + 3) >> 2);
  new Uint8Array(words.buffer).set(bytes);
  consumer.eventDatagram(words, 0, bytes.length);
  return statSync(path).mtimeMs * 1000;
}
