// Bytes of the network interfaces of this namespace (/proc/net/dev): an upper bound of what connection tracking counted
// while nobody listened, because each counted packet passed at least one interface, with its link-layer header besides.
import { readFileSync } from 'node:fs';

/** Bytes received and sent so far, by interface. */
export type InterfaceBytes = Readonly<Record<string, number>>;

/** Reads the counters; empty where there is no /proc. */
export function readInterfaceBytes(path = '/proc/net/dev'): InterfaceBytes {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  const bytes: Record<string, number> = {};
  for (const line of text.split('\n').slice(2)) {
    const [name, values] = line.split(':');
    if (values === undefined) continue;
    const fields = values.trim().split(/\s+/).map(Number);
    bytes[name!.trim()] = fields[0]! + fields[8]!;
  }
  return bytes;
}

/**
 * Bytes that passed between two readings; undefined when an interface is gone or began anew, because then nobody knows.
 */
export function bytesBetween(before: InterfaceBytes, after: InterfaceBytes): number | undefined {
  let sum = 0;
  for (const [name, bytes] of Object.entries(before)) {
    const now = after[name];
    if (now === undefined || now < bytes) return undefined;
    sum += now - bytes;
  }
  for (const [name, bytes] of Object.entries(after)) if (!(name in before)) sum += bytes;
  return sum;
}
