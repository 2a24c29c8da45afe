// Keeps the process small: how V8's heap grows, and when what is free goes back to the system. Knows V8, nothing else.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type CollectGarbage = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * Flags of V8 that it looks at whenever a heap grows. The young generation stays as it is: most of what a batch needs lies
 * outside of the heap. The old one is collected when it has grown by a fifth.
 */
const FLAGS = ['--semi-space-growth-factor=1', '--heap-growing-percent=20', '--expose-gc'];
/** Growth of the process that is worth a collection: bytes, and part of the heap, for with many names one takes a second. */
const GROWTH_BYTES = 16 << 20;
const GROWTH_PART = 0.25;
/** A collection that gives back less than this part of the growth found what is needed: the next one waits for twice as much, at most this part of the heap. */
const WORTH_PART = 0.5;
const GROWTH_PART_MAX = 0.5;
/** The shortest time between two collections, and the part of the time that they may take. */
const INTERVAL_MS = 250;
const TIME_PART = 0.2;

export interface MemoryRelease {
  /** A full collection that gives back empty pages, too: V8 by itself keeps hundreds of them. Takes 30 to 100 ms. */
  now(): void;
  /** The same, if the process has grown since; for moments when much has just become free. */
  ifGrown(): void;
}

export interface ReleaseParts {
  /** Collects, and gives back empty pages. */
  readonly collect: () => void;
  /** Bytes of the process that are resident, and of its heap that are used. */
  readonly memory: () => { readonly rss: number; readonly heapUsed: number };
  /** Milliseconds of a clock that is never set. */
  readonly now: () => number;
}

/** Sets the flags. At the beginning: what has been taken by then stays until the first release. */
export function keepHeapSmall(): MemoryRelease {
  for (const flag of FLAGS) setFlagsFromString(flag);
  const collectGarbage = runInNewContext('gc') as CollectGarbage;
  return createMemoryRelease({
    collect: () => collectGarbage({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
    memory: process.memoryUsage,
    now: () => performance.now(),
  });
}

/** Decides when to collect. */
export function createMemoryRelease({ collect, memory, now }: ReleaseParts): MemoryRelease {
  let residentBytes = memory().rss;
  let growthBytes = GROWTH_BYTES;
  let againMs = 0;
  const release = (): void => {
    const beginMs = now();
    const { rss: before } = memory();
    collect();
    const endMs = now();
    const { rss, heapUsed } = memory();
    const wasWorthIt = before - rss >= WORTH_PART * (before - residentBytes);
    const waited = wasWorthIt ? 0 : Math.min(2 * growthBytes, heapUsed * GROWTH_PART_MAX);
    residentBytes = rss;
    growthBytes = Math.max(GROWTH_BYTES, heapUsed * GROWTH_PART, waited);
    againMs = endMs + Math.max(INTERVAL_MS, (endMs - beginMs) / TIME_PART);
  };
  return {
    now: release,
    ifGrown() {
      if (now() >= againMs && memory().rss - residentBytes > growthBytes) release();
    },
  };
}
