// Lives of processes that do one round of upkeep each: every one shall die at a point, the one that was hit least so far. Which of
// them a process can reach depends on what there is to do when it comes, so no plan says it beforehand.
import type { Random } from '../lab/random.ts';
import { type PlannedLife, upkeepInstant } from './fault-plan.ts';
import type { LifeSource } from './lives.ts';
import { type Point, UPKEEP_POINTS } from './points.ts';

/** When all else is over, the rest of the points gets so much more time. */
const GRACE_MS = 15_000;
/** A point that others miss as well is tried less often than it is due, so that others get their turn. */
const MISSED_WEIGHT = 0.2;

export class UpkeepLives implements LifeSource {
  readonly #random: Random;
  readonly #died: ReadonlyMap<Point, number>;
  readonly #misses = new Map<Point, number>();
  #endMs = Number.POSITIVE_INFINITY;

  /** @param died deaths of the round so far */
  constructor(random: Random, died: ReadonlyMap<Point, number>) {
    this.#random = random;
    this.#died = died;
  }

  /** All else is over. */
  end(): void {
    this.#endMs = Date.now() + GRACE_MS;
  }

  next(): PlannedLife | undefined {
    const isComplete = UPKEEP_POINTS.every((point) => this.#died.has(point));
    if (this.#endMs < Number.POSITIVE_INFINITY && (isComplete || Date.now() > this.#endMs)) return undefined;
    const turns = UPKEEP_POINTS.map(
      (point) => (this.#died.get(point) ?? 0) + MISSED_WEIGHT * (this.#misses.get(point) ?? 0),
    );
    const least = Math.min(...turns);
    const due = UPKEEP_POINTS.filter((_, i) => turns[i]! <= least);
    return { end: upkeepInstant(this.#random, due) };
  }

  missed(point: Point): void {
    this.#misses.set(point, (this.#misses.get(point) ?? 0) + 1);
  }
}
