// Names, makes and removes network namespaces. A name holds the process that made it (id and start time), so that whatever
// a killed run left behind can be told from what is in use, and is swept by the next run.
import { readFileSync } from 'node:fs';
import { run, runSync } from './exec.ts';

const NAME = /^ftlab-(\d+)-([0-9a-z]+)-(\d+)-[a-z0-9-]+$/;

let labsMade = 0;

/** A prefix for namespace names that no other living process, and no other lab of this process, uses. */
export function uniquePrefix(): string {
  labsMade++;
  return `ftlab-${process.pid}-${startTime(process.pid) ?? '0'}-${labsMade}-`;
}

/** When a process started (clock ticks since boot, base 36), or undefined when there is none. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 22; the second field is a name in parentheses that may hold blanks.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]).toString(36);
  } catch {
    return undefined;
  }
}

/** Makes namespaces with loopback up. */
export async function addNamespaces(names: readonly string[]): Promise<void> {
  await run(['ip', '-batch', '-'], names.map((name) => `netns add ${name}\n`).join(''));
}

/** Removes namespaces; those that do not exist are ignored. Blocking, so that an exit handler can call it. */
export function removeNamespaces(names: readonly string[]): void {
  for (const name of names) {
    for (const pid of runSync(['ip', 'netns', 'pids', name]).split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // Ended by itself meanwhile.
      }
    }
  }
  runSync(['ip', '-force', '-batch', '-'], names.map((name) => `netns del ${name}\n`).join(''));
}

/** Removes the namespaces of runs whose process is gone, and what still runs in them. Gives their names. */
export function sweepLeftovers(): string[] {
  const leftovers: string[] = [];
  for (const line of runSync(['ip', 'netns', 'list']).split('\n')) {
    const name = line.split(' ')[0]!;
    const match = NAME.exec(name);
    if (match !== null && startTime(Number(match[1])) !== match[2]) leftovers.push(name);
  }
  if (leftovers.length > 0) removeNamespaces(leftovers);
  return leftovers;
}
