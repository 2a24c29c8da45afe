// The kernel's conntrack settings of this network namespace (Documentation/networking/nf_conntrack-sysctl.rst).
import { readFileSync, writeFileSync } from 'node:fs';

const DIRECTORY = '/proc/sys/net/netfilter';

/** What became of a setting. */
export interface SysctlOutcome {
  readonly name: string;
  /** Value now; undefined when it cannot be read (conntrack not loaded). */
  readonly value: number | undefined;
  /** Whether the value is the wanted one. */
  readonly ok: boolean;
  /** Whether it was us who changed it. */
  readonly changed: boolean;
  /** Why it could not be set. */
  readonly problem: string | undefined;
}

/** Reads a numeric setting; undefined when it is not there. */
export function readSysctl(name: string, directory = DIRECTORY): number | undefined {
  try {
    return Number(readFileSync(`${directory}/${name}`, 'utf8').trim());
  } catch {
    return undefined;
  }
}

/** Sets what is not set already. Never throws: the outcome says what is the case. */
export function ensureSysctl(name: string, wanted: number, mayWrite: boolean, directory = DIRECTORY): SysctlOutcome {
  const before = readSysctl(name, directory);
  if (before === wanted) return { name, value: before, ok: true, changed: false, problem: undefined };
  if (!mayWrite)
    return { name, value: before, ok: false, changed: false, problem: 'changing settings is switched off' };
  try {
    writeFileSync(`${directory}/${name}`, String(wanted));
  } catch (error) {
    return { name, value: before, ok: false, changed: false, problem: (error as Error).message };
  }
  const value = readSysctl(name, directory);
  return { name, value, ok: value === wanted, changed: value === wanted, problem: undefined };
}
