// What a conntrack source says, in the order in which it happened: datagrams of dumps and events with their times. A live
// source and a recording speak the same words, so that a recording replays through the code that production runs.
import type { DumpProgress } from './message-reader.ts';

/** Takes what a source reads. Memory handed over is valid only during the call. */
export interface ConntrackConsumer {
  /** A dump was requested. */
  dumpBegin(timeUs: number): void;
  /** A datagram of the dump: the first `length` bytes of `words`. Says whether the dump goes on. */
  dumpDatagram(words: Int32Array, length: number): DumpProgress;
  /** The dump ended. `complete`: the kernel said so, without error. */
  dumpEnd(timeUs: number, complete: boolean): void;
  /** A datagram of the event socket: bytes [offset, offset + length) of `words`. */
  eventDatagram(words: Int32Array, offset: number, length: number): void;
  /** A read of the event socket is done: the datagrams since the last call came with it. */
  eventsRead?(): void;
  /** The kernel dropped events: how many, or undefined where it does not say. */
  eventsDropped(timeUs: number, events: number | undefined): void;
  /** The kernel found no room for events and keeps them until there is (reliable events): they come late, and are not lost. */
  eventsDelayed(timeUs: number): void;
}
