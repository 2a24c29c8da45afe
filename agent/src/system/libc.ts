// The only file that imports koffi: the few calls of libc that Node does not offer. Numbers are those of Linux on
// little-endian machines (include/uapi/linux/{socket,netlink}.h, asm-generic/socket.h).
import koffi from 'koffi';
import { SystemCallError } from '../errors.ts';

const libc = koffi.load('libc.so.6');

const socketCall = libc.func('int socket(int domain, int type, int protocol)');
const bindCall = libc.func('int bind(int fd, void *address, uint32_t length)');
const setsockoptCall = libc.func('int setsockopt(int fd, int level, int name, void *value, uint32_t length)');
const getsockoptCall = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)');
const sendCall = libc.func('intptr_t send(int fd, void *bytes, size_t length, int flags)');
const flockCall = libc.func('int flock(int fd, int operation)');
// Variadic in C; for integers and pointers the calling conventions of x86-64 and arm64 Linux make no difference of it.
const syscallCall = libc.func('intptr_t syscall(intptr_t number, int command, void *attributes, uint32_t size)');
const recvmmsgCall = libc.func('int recvmmsg(int fd, void *messages, uint32_t count, int flags, void *timeout)');

const ERRNO_NAMES = new Map<number, string>(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));

function fail(syscall: string, hint: string): never {
  const errno = koffi.errno();
  throw new SystemCallError(syscall, errno, ERRNO_NAMES.get(errno) ?? `errno ${errno}`, hint);
}

/** Name of an error number, "ENOBUFS". */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/** Opens a socket; returns its file descriptor. */
export function socket(domain: number, type: number, protocol: number, hint: string): number {
  const fd: number = socketCall(domain, type, protocol);
  return fd >= 0 ? fd : fail('socket', hint);
}

/** Binds to a raw sockaddr. */
export function bind(fd: number, address: Uint8Array, hint: string): void {
  if (bindCall(fd, address, address.length) !== 0) fail('bind', hint);
}

/** Sets an integer option. */
export function setsockopt(fd: number, level: number, name: number, value: number, hint: string): void {
  if (setsockoptCall(fd, level, name, new Int32Array([value]), 4) !== 0) fail('setsockopt', hint);
}

/** Reads an option into `value`; returns how many bytes the kernel wrote. */
export function getsockopt(fd: number, level: number, name: number, value: Uint32Array, hint: string): number {
  const length = new Uint32Array([value.byteLength]);
  if (getsockoptCall(fd, level, name, value, length) !== 0) fail('getsockopt', hint);
  return length[0]!;
}

/** Sends one datagram. */
export function send(fd: number, bytes: Uint8Array, hint: string): void {
  const sent: number = sendCall(fd, bytes, bytes.length, 0);
  if (sent !== bytes.length) fail('send', hint);
}

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Takes the exclusive lock of an open file without waiting; false when somebody has it. It goes with the descriptor. */
export function tryLock(fd: number): boolean {
  if (flockCall(fd, LOCK_EX | LOCK_NB) === 0) return true;
  if (koffi.errno() === koffi.os.errno['EAGAIN']) return false;
  return fail('flock', 'the file system of the spool must know file locks');
}

/** Number of bpf(2) (include/uapi/asm-generic/unistd.h; x86-64 has its own table). */
const BPF_SYSCALL = process.arch === 'x64' ? 321 : 280;

/** bpf(2) with a prepared `union bpf_attr`: what it returns, or, when it fails, the negative error number. */
export function bpf(command: number, attributes: Uint8Array): number {
  const result: number = syscallCall(BPF_SYSCALL, command, attributes, attributes.length);
  return result >= 0 ? result : -koffi.errno();
}

/** Error numbers that callers tell apart. */
export const ERRNO = koffi.os.errno as Readonly<Record<'ENOENT' | 'ENOSPC' | 'EINVAL' | 'EPERM' | 'EACCES', number>>;

/** Address of the first byte of a buffer, to be written into structures that the kernel reads. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}

/** Result of `recvmmsg` when nothing is there. */
export const NOTHING_THERE = 0;
/** Result of `recvmmsg` when the kernel dropped messages for want of buffer (ENOBUFS). */
export const MESSAGES_DROPPED = -1;

/**
 * Receives up to `count` datagrams into prepared mmsghdr structures, without waiting. Returns how many came, or
 * NOTHING_THERE, or MESSAGES_DROPPED.
 */
export function recvmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number {
  const received: number = recvmmsgCall(fd, messages, count, flags, null);
  if (received >= 0) return received;
  const errno = koffi.errno();
  if (errno === koffi.os.errno['EAGAIN'] || errno === koffi.os.errno['EINTR']) return NOTHING_THERE;
  if (errno === koffi.os.errno['ENOBUFS']) return MESSAGES_DROPPED;
  return fail('recvmmsg', 'reading conntrack events from the netlink socket');
}
