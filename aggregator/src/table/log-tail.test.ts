// How soon those who wait hear of a commit of somebody else. What the tail knows of logs that are set back and cleaned up is tested with
// its watchers (api/watcher.test.ts).
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT, TestClock, WatchedTable } from '../api/watched-table.testing.ts';
import { LogTail } from './log-tail.ts';

let table: WatchedTable;
beforeEach(async () => {
  table = await WatchedTable.open();
});
afterEach(() => table.close());

test.each([
  { waitMs: 60_000, what: 'waits for long' },
  { waitMs: 10_000, what: 'waits again and again, each time for less than the tail does between two looks' },
  { waitMs: 1000, what: 'hardly waits at all' },
])('whoever $what hears of it after one look', async ({ waitMs }) => {
  const { now, schedule, advance } = new TestClock();
  const tail = new LogTail(table.store, ROOT, { pollMs: 15_000, verifyMs: 3_600_000, now, schedule });
  await tail.refresh();
  const seen = tail.position;
  await table.commit(1);
  let heardAt: number | undefined;
  const wait = async () => {
    while (heardAt === undefined && now() < 60_000) {
      const waiting = new AbortController();
      const cancel = schedule(() => waiting.abort(), waitMs);
      await tail.changed(seen, waiting.signal);
      cancel();
      if (!waiting.signal.aborted) heardAt = now();
    }
  };
  const hearing = wait();
  for (let i = 0; i < 60 && heardAt === undefined; i++) {
    advance(1000);
    // The store is a directory: a look takes a moment.
    await delay(5);
  }
  await hearing;
  tail.close();
  expect(heardAt).toBeLessThanOrEqual(25_000);
});
