// Cuts the table's log into slices: takes what a watcher tells, until it is enough for one delivery. A slice that somebody has begun
// to deliver ends where it did then; any other ends with the interval, by the time of commits, so that catching up gives the
// same slices as following. Knows watchers; knows no receiver.
import { type MissedRows, ResumeExpiredError } from '../api/resume-expired.ts';
import { END, type Position, parseToken } from '../api/resume-token.ts';
import type { WatchEvent } from '../api/watcher.ts';
import { rowColumns } from './row-columns.ts';
import type { SliceCollector } from './sink.ts';

/** Events, one of which can be put back. */
export class EventSource {
  readonly #events: AsyncGenerator<WatchEvent, void, undefined>;
  #kept: WatchEvent | undefined;

  constructor(events: AsyncGenerator<WatchEvent, void, undefined>) {
    this.#events = events;
  }

  /** Undefined: there are no more, because its signal was aborted. */
  async next(): Promise<WatchEvent | undefined> {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept !== undefined) return kept;
    const { value } = await this.#events.next();
    return value ?? undefined;
  }

  /** The next `next` gives it again. */
  putBack(event: WatchEvent): void {
    this.#kept = event;
  }

  async close(): Promise<void> {
    await this.#events.return();
  }
}

export interface SliceBounds {
  readonly from: string;
  /** Where it ended when somebody began to deliver it. */
  readonly pending: string | undefined;
  readonly intervalMs: number;
  readonly itemsMax: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

export interface CollectedSlice {
  readonly to: string;
  readonly rowCount: number;
  /** When its last version was committed; that of `from` where it has no rows. */
  readonly committedMs: number;
  /** What comes after it can no longer be told. */
  readonly missed: MissedRows | undefined;
  /** The log was set back: what was pending is in another history. */
  readonly isSetBack: boolean;
  /** The newest version that the watcher told of; undefined where it did not. */
  readonly newestVersion: number | undefined;
}

/** Undefined when the events have ended. Throws what the watcher throws, but for ResumeExpiredError. */
export async function collectSlice(
  events: EventSource,
  collector: SliceCollector,
  { from, pending, intervalMs, itemsMax, now }: SliceBounds,
): Promise<CollectedSlice | undefined> {
  const endedAt = pending === undefined ? undefined : parseToken(pending);
  const began = now();
  let to = from;
  let rowCount = 0;
  let firstRowsAt = began;
  let firstMs: number | undefined;
  let committedMs = parseToken(from).timeMs ?? 0;
  let newestVersion: number | undefined;
  const slice = (missed?: MissedRows, isSetBack = false): CollectedSlice => ({
    ...{ to, rowCount, committedMs, missed, isSetBack, newestVersion },
  });
  for (;;) {
    let event: WatchEvent | undefined;
    try {
      event = await events.next();
    } catch (error) {
      if (error instanceof ResumeExpiredError) return slice(error.missed);
      throw error;
    }
    if (event === undefined) return undefined;
    if (event.kind === 'rewind') {
      // What was collected is delivered first: it is of a history that was true then.
      if (rowCount > 0) {
        events.putBack(event);
        return slice();
      }
      to = event.token;
      return slice(undefined, true);
    }
    if (event.kind === 'rows') {
      const rows = rowColumns(event.bytes);
      const timeMs = rows.commitTimeMs ?? committedMs;
      if (endedAt === undefined && firstMs !== undefined && timeMs - firstMs >= intervalMs) {
        events.putBack(event);
        return slice();
      }
      if (firstMs === undefined) {
        firstMs = timeMs;
        firstRowsAt = now();
      }
      collector.add(rows);
      rowCount += event.rowCount;
      committedMs = timeMs;
    }
    to = event.token;
    if (event.kind === 'progress') newestVersion = event.newestVersion;
    if (endedAt !== undefined) {
      if (isAtOrBehind(parseToken(to), endedAt)) return slice();
      continue;
    }
    if (collector.itemCount >= itemsMax) return slice();
    const isCaughtUp = event.kind === 'progress' && event.caughtUp;
    if (rowCount === 0 ? event.kind === 'progress' : isCaughtUp && now() - firstRowsAt >= intervalMs) return slice();
  }
}

function isAtOrBehind(position: Position, end: Position): boolean {
  if (position.version !== end.version) return position.version > end.version;
  const step = (at: Position) => (at.step === END ? Number.POSITIVE_INFINITY : at.step);
  if (step(position) !== step(end)) return step(position) > step(end);
  return position.row >= end.row;
}
