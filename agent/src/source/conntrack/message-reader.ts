// Datagrams of a ctnetlink socket → rows and events. One message that cannot be read costs itself, never its neighbours,
// and is counted by reason.
import { DecodeError } from '../../errors.ts';
import {
  NFGENMSG_BYTES,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HEADER_BYTES,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
} from '../../netlink/constants.ts';
import { EntryRecord, type EntrySink } from '../entry-record.ts';
import { CT_DELETE, CT_NEW } from './constants.ts';
import { EntryReader } from './entry-reader.ts';

/** What a datagram of a dump said about the dump itself. */
export type DumpProgress =
  /** More datagrams follow. */
  | 'more'
  /** NLMSG_DONE without error: the dump is complete. */
  | 'done'
  /** The kernel ended the dump early; `lastErrno` says why. */
  | 'failed';

/** Counters of what was met; they only grow. */
export interface ReaderCounts {
  /** Messages that became a row or an event. */
  messages: number;
  /** Messages that could not be read; their entries are not accounted. */
  undecodable: number;
  /** Bytes at the end of a datagram that no message header explains. */
  truncatedDatagrams: number;
  /** Messages of a type that we did not ask for. */
  unknownMessages: number;
  /** Attributes that this version does not know (not lost: skipped). */
  unknownAttributes: number;
}

/** Splits datagrams into messages and hands each entry to the sink. */
export class MessageReader {
  readonly #record = new EntryRecord();
  readonly #entries = new EntryReader(this.#record);
  readonly #sink: EntrySink;
  readonly #counts = { messages: 0, undecodable: 0, truncatedDatagrams: 0, unknownMessages: 0 };

  /** errno (positive) with which the kernel ended the last failed dump. */
  lastErrno = 0;
  /** Why the last undecodable message could not be read. */
  lastError: DecodeError | undefined;

  constructor(sink: EntrySink) {
    this.#sink = sink;
  }

  get counts(): ReaderCounts {
    return { ...this.#counts, unknownAttributes: this.#entries.unknownAttributes };
  }

  /**
   * Reads the messages in bytes [offset, offset + length) of the memory.
   * @param words the memory that holds the datagram, as 32-bit words
   * @param offset first byte, a multiple of 4
   */
  read(words: Int32Array, offset: number, length: number): DumpProgress {
    const end = Math.min(offset + length, words.byteLength);
    let progress: DumpProgress = 'more';
    let at = offset;
    while (at < end) {
      if (end - at < NLMSG_HEADER_BYTES) {
        this.#counts.truncatedDatagrams++;
        return progress;
      }
      const messageBytes = words[at >> 2]! >>> 0;
      if (messageBytes < NLMSG_HEADER_BYTES || messageBytes > end - at) {
        this.#counts.truncatedDatagrams++;
        return progress;
      }
      const type = words[(at >> 2) + 1]! & 0xffff;
      if (type === CT_NEW || type === CT_DELETE) this.#entry(words, at, messageBytes, type === CT_DELETE);
      else if (type === NLMSG_DONE || type === NLMSG_ERROR) progress = this.#end(words, at, messageBytes);
      else if (type !== NLMSG_NOOP && type !== NLMSG_OVERRUN) this.#counts.unknownMessages++;
      at += (messageBytes + 3) & ~3;
    }
    return progress;
  }

  #entry(words: Int32Array, at: number, messageBytes: number, destroyed: boolean): void {
    const attributes = at + NLMSG_HEADER_BYTES + NFGENMSG_BYTES;
    try {
      this.#entries.read(words, attributes, at + messageBytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#counts.undecodable++;
      this.lastError = error;
      return;
    }
    this.#counts.messages++;
    if (destroyed) this.#sink.destroyed(this.#record);
    else this.#sink.row(this.#record);
  }

  /** NLMSG_DONE and NLMSG_ERROR carry a negative errno, 0 for success. */
  #end(words: Int32Array, at: number, messageBytes: number): DumpProgress {
    const errno = messageBytes >= NLMSG_HEADER_BYTES + 4 ? words[(at + NLMSG_HEADER_BYTES) >> 2]! : 0;
    this.lastErrno = -errno;
    return errno === 0 ? 'done' : 'failed';
  }
}
