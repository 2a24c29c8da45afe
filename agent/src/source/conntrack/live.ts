// The kernel's conntrack of this network namespace: full dumps on one socket, DESTROY events on another. The event socket
// opens first: an entry that dies during the first dump must not be missed.

import { SystemCallError } from '../../errors.ts';
import { MESSAGES_DROPPED } from '../../system/libc.ts';
import { EventSocket, RequestSocket } from '../../system/netlink-socket.ts';
import { NFNLGRP_CONNTRACK_DESTROY } from './constants.ts';
import type { ConntrackConsumer } from './consumer.ts';
import { encodeDumpRequest } from './requests.ts';

/** The kernel never packs more than this into one datagram of a dump, and packs more into one the larger the buffer is. */
const DUMP_BUFFER_BYTES = 32 * 1024;
/** Between how many datagrams of a dump the event socket is looked at: a datagram takes the kernel about 0.2 ms. */
const DATAGRAMS_BETWEEN_POLLS = 16;
/** Most events read at once before the caller gets its turn: about 0.1 s of work. */
const EVENTS_PER_POLL = 65_536;
/** Least that a queued event takes of the receive buffer: so many can wait at once. */
const SMALLEST_EVENT_BYTES = 512;

/** How a live source listens. */
export interface LiveConntrackOptions {
  /** Wanted size of the event socket's buffer in bytes. An event takes 1,280 of them until it is read. */
  readonly eventBufferBytes: number;
  /** NETLINK_BROADCAST_ERROR: see EventSocket. */
  readonly reliableEvents: boolean;
  /** µs since the Unix epoch. */
  readonly nowUs: () => number;
}

/** Reads conntrack. Calls block the thread for as long as the kernel needs. */
export class LiveConntrack {
  readonly #options: LiveConntrackOptions;
  readonly #events: EventSocket;
  #requests: RequestSocket;
  readonly #words = new Int32Array(DUMP_BUFFER_BYTES / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  #sequence = 0;
  /** The socket's drop counter when it was looked at last. */
  #drops = 0;
  /** Dropped events that no consumer has heard of yet. */
  #unreportedDrops = 0;
  #problem: SystemCallError | undefined;

  /** @throws SystemCallError, with code NOT_PERMITTED where CAP_NET_ADMIN is missing */
  constructor(options: LiveConntrackOptions) {
    this.#options = options;
    this.#events = new EventSocket(NFNLGRP_CONNTRACK_DESTROY, options.eventBufferBytes, options.reliableEvents);
    try {
      this.#requests = new RequestSocket();
    } catch (error) {
      this.#events.close();
      throw error;
    }
  }

  /** Bytes of the event buffer as the kernel accounts it. */
  get eventBufferBytes(): number {
    return this.#events.receiveBufferBytes;
  }

  /** Events that the kernel could not deliver at once. In reliable mode it tries them again, else they are lost. */
  get undelivered(): number {
    return this.#events.drops();
  }

  /** Whether the kernel keeps events that it cannot deliver. */
  get reliableEvents(): boolean {
    return this.#events.reliable;
  }

  /** The call that ended the last dump; undefined when none failed. */
  get problem(): SystemCallError | undefined {
    return this.#problem;
  }

  /** Switches between keeping and dropping undeliverable events. What was dropped so far is reported with the next events. */
  setReliableEvents(reliable: boolean): void {
    if (reliable) this.#events.setReliable(true);
    const drops = this.#events.drops();
    if (reliable) this.#unreportedDrops += (drops - this.#drops) >>> 0;
    else this.#events.setReliable(false);
    this.#drops = drops;
  }

  /** Hands over the events that are there, at most about 65,000; returns how many. */
  pollEvents(consumer: ConntrackConsumer): number {
    if (this.#unreportedDrops > 0) {
      consumer.eventsDropped(this.#options.nowUs(), this.#unreportedDrops);
      this.#unreportedDrops = 0;
    }
    let total = 0;
    while (total < EVENTS_PER_POLL) {
      const count = this.#events.receive(consumer);
      if (count === MESSAGES_DROPPED) this.#reportDrops(consumer);
      else if (count === 0) break;
      else {
        total += count;
        consumer.eventsRead?.();
      }
    }
    return total;
  }

  /**
   * One full dump, with events in between. Returns whether the kernel gave all of it: a call that fails, as for want of
   * memory, ends this dump and not the capture.
   */
  dump(consumer: ConntrackConsumer): boolean {
    this.pollEvents(consumer);
    let begun = false;
    let complete = false;
    this.#problem = undefined;
    try {
      this.#requests.send(encodeDumpRequest(++this.#sequence));
      consumer.dumpBegin(this.#options.nowUs());
      begun = true;
      complete = this.#readDump(consumer);
      // The kernel sends an entry's event before it takes the entry out of its table (nf_ct_delete): whatever this dump no
      // longer showed has its event in the queue by now. Read it before anybody concludes that none came.
      if (complete) this.#drainEvents(consumer);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.#problem = error;
      complete = false;
    }
    if (!begun) consumer.dumpBegin(this.#options.nowUs());
    // What is left of a dump that failed must not be read as part of the next one.
    if (!complete) this.#reopen();
    consumer.dumpEnd(this.#options.nowUs(), complete);
    return complete;
  }

  close(): void {
    this.#requests.close();
    this.#events.close();
  }

  /** Reads all events that wait now; those that arrive meanwhile may stay. */
  #drainEvents(consumer: ConntrackConsumer): void {
    let left = this.#events.receiveBufferBytes / SMALLEST_EVENT_BYTES;
    for (let count = -1; count !== 0 && left > 0; left -= count) count = this.pollEvents(consumer);
    // ENOBUFS comes once; what the kernel drops from then until the queue is empty only the counter tells.
    if (this.#events.drops() !== this.#drops) this.#reportDrops(consumer);
  }

  /** Reads datagrams until the kernel ends the dump; whether it ended well. */
  #readDump(consumer: ConntrackConsumer): boolean {
    for (let datagrams = 1; ; datagrams++) {
      const length = this.#requests.receive(this.#bytes);
      const progress = consumer.dumpDatagram(this.#words, length);
      if (progress !== 'more') return progress === 'done';
      if (datagrams % DATAGRAMS_BETWEEN_POLLS === 0) this.pollEvents(consumer);
    }
  }

  #reopen(): void {
    const fresh = new RequestSocket();
    this.#requests.close();
    this.#requests = fresh;
  }

  /** ENOBUFS says that events found no room, the socket's drop counter says how many. */
  #reportDrops(consumer: ConntrackConsumer): void {
    const drops = this.#events.drops();
    const events = (drops - this.#drops) >>> 0;
    this.#drops = drops;
    if (this.#events.reliable) consumer.eventsDelayed(this.#options.nowUs());
    else consumer.eventsDropped(this.#options.nowUs(), events);
  }
}
