// Readings of the table's log for agents that say Hello, paced: each is a request that a bucket bills, and thousands of agents that
// move between replicas would make a dollar of it in hours. A few at once are free; beyond, one for all who wait, every few
// seconds. Knows time and nothing else.
import type { Schedule } from './model/schedule.ts';

export interface ReadPacing {
  /** Readings that may follow one another at once. */
  readonly burst: number;
  /** Time in which one more is earned, ms. */
  readonly intervalMs: number;
}

/** A small cluster never waits; a large one makes at most 17,280 readings a day and replica: nine cents. */
export const HELLO_READS: ReadPacing = { burst: 20, intervalMs: 5000 };

/**
 * Makes a gate: the promise that it gives resolves when a reading may begin. All who wait at that time share the reading.
 * @param now milliseconds, any origin
 */
export function createReadPacer(
  { burst, intervalMs }: ReadPacing,
  now: () => number,
  schedule: Schedule,
): () => Promise<void> {
  let tokens = burst;
  let earnedMs = now();
  let waiting: Promise<void> | undefined;

  function earn(): void {
    const gained = Math.floor((now() - earnedMs) / intervalMs);
    // A clock that was set back earns nothing, and does not wait for its old time either.
    if (gained < 0) earnedMs = now();
    else earnedMs += gained * intervalMs;
    tokens = Math.min(burst, tokens + Math.max(0, gained));
  }

  return () => {
    if (waiting !== undefined) return waiting;
    earn();
    if (tokens > 0) {
      tokens--;
      return Promise.resolve();
    }
    waiting = new Promise((resolve) => {
      schedule(
        () => {
          waiting = undefined;
          earn();
          tokens = Math.max(0, tokens - 1);
          resolve();
        },
        Math.max(0, earnedMs + intervalMs - now()),
      );
    });
    return waiting;
  };
}
