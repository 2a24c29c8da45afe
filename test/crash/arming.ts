// Inside a process of the product: which points are armed, and what happens when one is passed. Shared by the threads of the
// process.
import { appendFileSync } from 'node:fs';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { type Action, ARMED_VARIABLE, isDraining, NOTES_VARIABLE, type Note, type Point } from './points.ts';

/** What shall happen where. */
interface Armed {
  readonly action: Action;
  readonly point: Point;
  readonly hit: number;
}

const armed: readonly Armed[] = (process.env[ARMED_VARIABLE] ?? '')
  .split(',')
  .filter(Boolean)
  .map((text) => {
    const [action, point, hit] = text.split(':') as [Action, Point, string];
    return { action, point, hit: Number(hit) };
  });
const notes = process.env[NOTES_VARIABLE];

/** Shared by the threads: whether SIGTERM has come, and how often each armed point was passed. */
const SHARED = 'flowtoll-test-crash';
const STOPPING = 0;
const PASSED = 1;
if (isMainThread) {
  const memory = new SharedArrayBuffer(4 * (PASSED + armed.length));
  setEnvironmentData(SHARED, new Int32Array(memory) as never);
}
const shared = getEnvironmentData(SHARED) as unknown as Int32Array;

/** As it was before anything was wrapped. */
const append = appendFileSync;

/** Appends a line for the test. */
export function note(line: Omit<Note, 'pid'>): void {
  if (notes !== undefined) append(notes, `${JSON.stringify({ pid: process.pid, ...line })}\n`);
}

/** The process is at that point: it may be the end of it. */
export function pass(at: Point): void {
  for (const [i, { action, point, hit }] of armed.entries()) {
    if (at !== point && !(isDraining(point) && Atomics.load(shared, STOPPING) === 1)) continue;
    if (Atomics.add(shared, PASSED + i, 1) + 1 !== hit) continue;
    note({ what: action, point, at });
    process.kill(process.pid, action === 'die' ? 'SIGKILL' : 'SIGSTOP');
  }
}

/** SIGTERM has come. */
export function drain(): void {
  Atomics.store(shared, STOPPING, 1);
}
