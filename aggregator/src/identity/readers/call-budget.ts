// How many calls one reader may make: some at one time, some a second. Readers are known by their names, and only known readers have
// a budget, so there are not more of them than accounts. Knows nothing of calls.
import { FlowtollError } from '../../model/errors.ts';

/** Calls of one reader that are open. Streams of rows have a lower limit of their own. */
const OPEN_MAX = 64;
/** Calls of one reader a second, and at once. */
const CALLS_PER_SECOND = 10;
const CALLS_AT_ONCE = 100;
/** Readers whose spent calls are remembered. */
const REMEMBERED_MAX = 10_000;

interface Spent {
  open: number;
  /** Calls that may be made now. */
  left: number;
  atMs: number;
}

export interface CallBudget {
  /** A call begins; returns what to call, once or more, when it is over. Throws READER_BUSY. */
  begin(reader: string): () => void;
}

/** @param now milliseconds, monotonic */
export function createCallBudget(now: () => number): CallBudget {
  const readers = new Map<string, Spent>();

  const spentOf = (reader: string): Spent => {
    const known = readers.get(reader) ?? { open: 0, left: CALLS_AT_ONCE, atMs: now() };
    known.left = Math.min(CALLS_AT_ONCE, known.left + ((now() - known.atMs) / 1000) * CALLS_PER_SECOND);
    known.atMs = now();
    readers.delete(reader);
    readers.set(reader, known);
    if (readers.size > REMEMBERED_MAX) forgetIdle();
    return known;
  };

  const forgetIdle = (): void => {
    for (const [name, { open }] of readers) {
      if (open > 0) continue;
      readers.delete(name);
      return;
    }
  };

  return {
    begin(reader) {
      const spent = spentOf(reader);
      if (spent.open >= OPEN_MAX) {
        throw new FlowtollError(
          'READER_BUSY',
          `${reader} has ${spent.open} calls open here, as many as one may: end one`,
        );
      }
      if (spent.left < 1) {
        throw new FlowtollError(
          'READER_BUSY',
          `${reader} makes more than ${CALLS_PER_SECOND} calls a second here: wait a moment between two`,
        );
      }
      spent.open++;
      spent.left--;
      let isOver = false;
      return () => {
        if (!isOver) spent.open--;
        isOver = true;
      };
    },
  };
}
