// A NETLINK_NETFILTER socket: datagrams in, datagrams out (netlink(7)). Knows nothing of their meaning.
import { closeSync, readSync } from 'node:fs';
import { SystemCallError } from '../errors.ts';
import { addressOf, bind, getsockopt, NOTHING_THERE, recvmmsg, send, setsockopt, socket } from './libc.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12;
const SOL_SOCKET = 1;
const SOL_NETLINK = 270;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_MEMINFO = 55;
const SK_MEMINFO_DROPS = 8;
const SK_MEMINFO_RCVBUF = 1;
const MSG_DONTWAIT = 0x40;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_BROADCAST_ERROR = 4;

const CAPABILITY_HINT =
  'ctnetlink needs CAP_NET_ADMIN in the network namespace it reads; run the agent as root or grant the capability';

/** sizeof(struct mmsghdr) on 64-bit Linux: msghdr (56), msg_len (4), padding (4). */
const MMSGHDR_BYTES = 64;
const IOVEC_BYTES = 16;
/** A DESTROY event is 130 to 330 bytes; the kernel never makes one of more than a page. */
const EVENT_SLOT_BYTES = 1024;
const EVENTS_PER_CALL = 64;

function open(groups: number): number {
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER, 'the kernel has no netfilter netlink');
  const address = new Uint8Array(12);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(8, groups, true);
  try {
    bind(fd, address, CAPABILITY_HINT);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** A socket for requests and their answers. Reads block: use it from a thread that may. */
export class RequestSocket {
  readonly #fd = open(0);

  /** Sends one request. */
  send(datagram: Uint8Array): void {
    send(this.#fd, datagram, CAPABILITY_HINT);
  }

  /**
   * Waits for the next datagram; returns its length in bytes.
   * @throws SystemCallError
   */
  receive(into: Uint8Array): number {
    for (;;) {
      try {
        return readSync(this.#fd, into);
      } catch (error) {
        const { errno = 0, code = '' } = error as NodeJS.ErrnoException;
        if (code !== 'EINTR') throw new SystemCallError('read', -errno, code, 'reading a conntrack dump');
      }
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** What one read of an event socket gave. */
export interface EventReader {
  /** A datagram: bytes [offset, offset + length) of `words`, valid until the call returns. `offset` is a multiple of 4. */
  eventDatagram(words: Int32Array, offset: number, length: number): void;
}

/** A socket that listens to multicast groups. Reads never block. */
export class EventSocket {
  readonly #fd: number;
  #reliable: boolean;
  readonly #slots = new Int32Array((EVENTS_PER_CALL * EVENT_SLOT_BYTES) / 4);
  readonly #iovecs = new Uint8Array(EVENTS_PER_CALL * IOVEC_BYTES);
  readonly #headers = new Uint8Array(EVENTS_PER_CALL * MMSGHDR_BYTES);
  readonly #lengths = new Uint32Array(this.#headers.buffer);
  readonly #memory = new Uint32Array(9);
  /** Size of the receive buffer in bytes as the kernel accounts it. */
  readonly receiveBufferBytes: number;

  /**
   * @param group multicast group number (3: conntrack DESTROY)
   * @param receiveBufferBytes wanted; the kernel doubles it. Without CAP_NET_ADMIN in the initial user namespace
   *   net.core.rmem_max is the cap.
   * @param reliable NETLINK_BROADCAST_ERROR: the kernel keeps an event that could not be delivered and tries again,
   *   instead of dropping it. Its entry stays in the kernel's table until then.
   */
  constructor(group: number, receiveBufferBytes: number, reliable: boolean) {
    this.#fd = open(0);
    this.#reliable = reliable;
    try {
      setsockopt(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group, CAPABILITY_HINT);
      try {
        setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferBytes, CAPABILITY_HINT);
      } catch {
        setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUF, receiveBufferBytes, 'lower the size of the event buffer');
      }
      if (reliable) setsockopt(this.#fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, 1, CAPABILITY_HINT);
      this.#readMemory();
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
    this.receiveBufferBytes = this.#memory[SK_MEMINFO_RCVBUF]!;
    this.#prepare();
  }

  /** Whether the kernel keeps undelivered events. */
  get reliable(): boolean {
    return this.#reliable;
  }

  /** Switches NETLINK_BROADCAST_ERROR. Off: what the kernel still keeps for us is dropped and counted. */
  setReliable(reliable: boolean): void {
    setsockopt(this.#fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, reliable ? 1 : 0, CAPABILITY_HINT);
    this.#reliable = reliable;
  }

  /** How many messages the kernel could not deliver since the socket was opened (struct sock, sk_drops; 32 bits). */
  drops(): number {
    this.#readMemory();
    return this.#memory[SK_MEMINFO_DROPS]!;
  }

  /**
   * Reads what is there, at most 64 datagrams, and hands each to the reader. Returns how many; NOTHING_THERE (0) when
   * the queue is empty; MESSAGES_DROPPED (-1) when the kernel reports lost messages (reading may go on).
   */
  receive(reader: EventReader): number {
    const count = recvmmsg(this.#fd, this.#headers, EVENTS_PER_CALL, MSG_DONTWAIT);
    if (count <= NOTHING_THERE) return count;
    for (let i = 0; i < count; i++) {
      reader.eventDatagram(this.#slots, i * EVENT_SLOT_BYTES, this.#lengths[i * (MMSGHDR_BYTES / 4) + 14]!);
    }
    return count;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #readMemory(): void {
    getsockopt(this.#fd, SOL_SOCKET, SO_MEMINFO, this.#memory, 'SO_MEMINFO needs Linux 4.12 or newer');
  }

  /** Fills the iovec and mmsghdr arrays once; the buffers never move, because they are not in V8's heap. */
  #prepare(): void {
    const iovecs = new DataView(this.#iovecs.buffer);
    const headers = new DataView(this.#headers.buffer);
    const slotsAddress = addressOf(new Uint8Array(this.#slots.buffer));
    const iovecsAddress = addressOf(this.#iovecs);
    for (let i = 0; i < EVENTS_PER_CALL; i++) {
      iovecs.setBigUint64(i * IOVEC_BYTES, slotsAddress + BigInt(i * EVENT_SLOT_BYTES), true);
      iovecs.setBigUint64(i * IOVEC_BYTES + 8, BigInt(EVENT_SLOT_BYTES), true);
      headers.setBigUint64(i * MMSGHDR_BYTES + 16, iovecsAddress + BigInt(i * IOVEC_BYTES), true); // msg_iov
      headers.setBigUint64(i * MMSGHDR_BYTES + 24, 1n, true); // msg_iovlen
    }
  }
}
