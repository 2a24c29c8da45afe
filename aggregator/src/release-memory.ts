// Keeps the process small: how V8's heap grows, and when what is free goes back to the system. Knows V8, nothing else.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type CollectGarbage = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * Flags of V8 that it looks at whenever a heap grows. The young generation stays as it is: most of what a batch needs lies
 * outside of the heap. The old one is collected when it has grown by a fifth.
 */
const FLAGS = ['--semi-space-growth-factor=1', '--heap-growing-percent=20', '--expose-gc'];
/** Growth of the process that is worth a collection, in bytes, and the shortest time between two. */
const GROWTH_BYTES = 16 << 20;
const INTERVAL_MS = 250;

export interface MemoryRelease {
  /** A full collection that gives back empty pages, too: V8 by itself keeps hundreds of them. Takes 30 to 100 ms. */
  now(): void;
  /** The same, if the process has grown since; for moments when much has just become free. */
  ifGrown(): void;
}

/** Sets the flags. At the beginning: what has been taken by then stays until the first release. */
export function keepHeapSmall(): MemoryRelease {
  for (const flag of FLAGS) setFlagsFromString(flag);
  const collectGarbage = runInNewContext('gc') as CollectGarbage;
  let residentBytes = process.memoryUsage.rss();
  let releasedMs = 0;
  const release = (): void => {
    collectGarbage({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    residentBytes = process.memoryUsage.rss();
    releasedMs = performance.now();
  };
  return {
    now: release,
    ifGrown() {
      if (performance.now() - releasedMs < INTERVAL_MS) return;
      if (process.memoryUsage.rss() - residentBytes > GROWTH_BYTES) release();
    },
  };
}
