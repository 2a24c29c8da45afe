// Whether what is said to a host stays on this machine. Pure text: no name is looked up.
import { isIP } from 'node:net';

/** "localhost", 127.0.0.0/8 and ::1; the host of "host:port" where there is a port. */
export function isLoopback(address: string): boolean {
  const host = hostOf(address);
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** The host of "host:port", "[::1]:4460", "host" or "::1", without brackets. */
export function hostOf(address: string): string {
  const bracketed = /^\[(.*)\](?::\d+)?$/.exec(address);
  if (bracketed) return bracketed[1]!;
  return isIP(address) === 6 ? address : address.replace(/:\d+$/, '');
}
