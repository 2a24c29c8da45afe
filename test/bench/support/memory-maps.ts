// Memory of a process by what it is: the kernel's own account (/proc/PID/smaps). Knows no process.
import { readFileSync } from 'node:fs';

const KIB = 1024;

/** Bytes of one kind. */
export interface MemoryShare {
  readonly residentBytes: number;
  /** Shared pages are divided by the number of processes that have them. */
  readonly proportionalBytes: number;
}

/** A process's memory: the sum, what is its own, what is of files, and by kind. */
export interface MemoryAccount extends MemoryShare {
  /** Of no file: heaps, stacks. What is left when memory is short. */
  readonly ownBytes: number;
  readonly kinds: ReadonlyMap<string, MemoryShare>;
}

export function memoryAccount(pid: number): MemoryAccount {
  const kinds = new Map<string, { residentBytes: number; proportionalBytes: number }>();
  let share = { residentBytes: 0, proportionalBytes: 0 };
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const mapping = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ (\d+) *(.*)$/.exec(line);
    if (mapping !== null) {
      const kind = kindOf(mapping[3]!, mapping[1]!);
      share = kinds.get(kind) ?? { residentBytes: 0, proportionalBytes: 0 };
      kinds.set(kind, share);
    }
    const field = /^(Rss|Pss): +(\d+) kB$/.exec(line);
    if (field?.[1] === 'Rss') share.residentBytes += Number(field[2]) * KIB;
    if (field?.[1] === 'Pss') share.proportionalBytes += Number(field[2]) * KIB;
  }
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const sum = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(rollup)![1]) * KIB;
  return { residentBytes: sum('Rss'), proportionalBytes: sum('Pss'), ownBytes: sum('Pss_Anon'), kinds };
}

function kindOf(path: string, rights: string): string {
  const isCode = rights.includes('x');
  if (path === '') return isCode ? 'code that V8 made' : 'heaps of V8, stacks';
  if (path === '[heap]') return 'heap of malloc';
  if (path.startsWith('[')) return 'other';
  if (/\.(so|node)(\.|$)/.test(path)) return 'libraries';
  return isCode ? "Node's code" : "Node's data";
}
