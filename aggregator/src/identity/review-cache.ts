// Answers of somebody slow to the same questions again and again: kept for a short time and in a bounded number, asked once for all
// who want the same at one moment, and by few at a time. Bad answers have a room of their own, so that a flood of wrong questions
// drives out no good ones. Knows nothing of what is asked.
import { FlowtollError } from '../model/errors.ts';

export interface ReviewCacheConfig {
  /** Most good answers that are kept, and most bad ones. */
  readonly entriesMax: number;
  /** Most questions under way. */
  readonly underWayMax: number;
  /** Most that wait for their turn; more end at once, as IDENTITY_UNAVAILABLE. */
  readonly waitingMax: number;
}

/** An answer, and for how long it is true. */
export interface Kept<V> {
  readonly value: V;
  readonly isGood: boolean;
  /** Milliseconds since the Unix epoch. At or before now: not kept. */
  readonly untilMs: number;
}

export interface ReviewCounts {
  /** Questions that were asked. */
  asked: number;
  /** Questions that an earlier answer answered. */
  remembered: number;
  /** Asked without an answer: no refusals. */
  failed: number;
  /** Not asked, because as many as may be waited. */
  overloaded: number;
}

export interface ReviewCache<V> {
  readonly counts: Readonly<ReviewCounts>;
  /** The answer to the question that `key` stands for. Rejects with what `ask` rejects with, which is not kept. */
  get(key: string, ask: () => Promise<Kept<V>>): Promise<V>;
}

export const REVIEW_CACHE_DEFAULTS: ReviewCacheConfig = { entriesMax: 10_000, underWayMax: 16, waitingMax: 4096 };

/** @param now milliseconds since the Unix epoch */
export function createReviewCache<V>(config: ReviewCacheConfig, now: () => number): ReviewCache<V> {
  const counts: ReviewCounts = { asked: 0, remembered: 0, failed: 0, overloaded: 0 };
  /** The one that was used longest ago first. */
  const good = new Map<string, Kept<V>>();
  const bad = new Map<string, Kept<V>>();
  const flights = new Map<string, Promise<V>>();
  const waiting: (() => void)[] = [];
  let underWay = 0;

  const remembered = (room: Map<string, Kept<V>>, key: string): Kept<V> | undefined => {
    const kept = room.get(key);
    if (kept === undefined) return undefined;
    room.delete(key);
    if (kept.untilMs <= now()) return undefined;
    room.set(key, kept);
    return kept;
  };

  const keep = (key: string, kept: Kept<V>): void => {
    if (kept.untilMs <= now()) return;
    const room = kept.isGood ? good : bad;
    const [oldest] = room.keys();
    if (room.size >= config.entriesMax && oldest !== undefined) room.delete(oldest);
    room.set(key, kept);
  };

  const turn = (): Promise<void> => {
    if (underWay < config.underWayMax) {
      underWay++;
      return Promise.resolve();
    }
    if (waiting.length >= config.waitingMax) {
      counts.overloaded++;
      throw new FlowtollError(
        'IDENTITY_UNAVAILABLE',
        `${waiting.length} questions to the Kubernetes API wait already, as many as may: try again later`,
      );
    }
    // Whoever ends hands its place on.
    return new Promise((resolve) => waiting.push(resolve));
  };

  const fly = async (key: string, ask: () => Promise<Kept<V>>): Promise<V> => {
    await turn();
    counts.asked++;
    try {
      const kept = await ask();
      keep(key, kept);
      return kept.value;
    } catch (error) {
      counts.failed++;
      throw error;
    } finally {
      const next = waiting.shift();
      if (next === undefined) underWay--;
      else next();
    }
  };

  return {
    counts,
    async get(key, ask) {
      const kept = remembered(good, key) ?? remembered(bad, key);
      if (kept !== undefined) {
        counts.remembered++;
        return kept.value;
      }
      const under = flights.get(key);
      if (under !== undefined) {
        counts.remembered++;
        return under;
      }
      const flight = fly(key, ask).finally(() => flights.delete(key));
      flights.set(key, flight);
      return flight;
    },
  };
}
