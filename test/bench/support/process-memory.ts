// Memory and CPU of a process as the kernel accounts them.
import { readFileSync } from 'node:fs';

/** Bytes: what is resident now, and the most that ever was. */
export interface ProcessMemory {
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** Reads /proc/PID/status. */
export function processMemory(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const bytes = (field: string) => 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { residentBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') };
}

/** User and system time of all threads so far, ns; a tick (10 ms) exact. */
export function processCpuNs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 1e7;
}

/** DESTROY messages that the kernel dropped for want of room in the event sockets of a process's network namespace. */
export function eventDrops(pid: number): number {
  let drops = 0;
  for (const line of readFileSync(`/proc/${pid}/net/netlink`, 'utf8').split('\n').slice(1)) {
    const [, protocol, , groups, , , , , dropped] = line.trim().split(/\s+/);
    if (protocol === '12' && Number.parseInt(groups ?? '0', 16) & 4) drops += Number(dropped);
  }
  return drops;
}
