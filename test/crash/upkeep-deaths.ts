// Where processes that do upkeep shall die: at points that were hit least so far. Which of them a process reaches depends on what
// there is to do when it comes, so no plan says it beforehand, and several are armed at once; and when the plan of a round is over,
// there are more lives until each point was hit.
import type { Random } from '../lab/random.ts';
import { upkeepInstant } from './fault-plan.ts';
import type { LifeSource } from './lives.ts';
import type { Instant } from './parts.ts';
import { type Point, UPKEEP_POINTS } from './points.ts';

/** When the plan is over, points that nobody has hit get so much more time: a busy machine needs it. */
const GRACE_MS = 210_000;
/** How long a life lasts, once it is ready, that is there for that alone. */
const LIFE_MS = 12_000;
/** In aggregators a point is armed until it was hit so much more often than the one that was hit least. */
const AHEAD_MAX = 3;

export class UpkeepDeaths {
  readonly #random: Random;
  readonly #died: ReadonlyMap<Point, number>;
  #graceEndMs: number | undefined;
  #isOver = false;

  /** @param died deaths of the round so far */
  constructor(random: Random, died: ReadonlyMap<Point, number>) {
    this.#random = random;
    this.#died = died;
  }

  /** For whoever begins now; one point at least. */
  due(aheadMax = AHEAD_MAX): Instant[] {
    const deaths = (point: Point): number => this.#died.get(point) ?? 0;
    const least = Math.min(...UPKEEP_POINTS.map(deaths));
    // Whoever dies at a checkpoint writes no hint at it, and the next is far: so for each life it is one or the other.
    const hintIsLate = deaths('checkpoint-hint-written') < deaths('checkpoint-written');
    const notNow: Point = hintIsLate || this.#random.chance(0.5) ? 'checkpoint-written' : 'checkpoint-hint-written';
    const due = UPKEEP_POINTS.filter((point) => deaths(point) <= least + aheadMax);
    const points = due.length > 1 ? due.filter((point) => point !== notNow) : due;
    return points.map((point) => upkeepInstant(this.#random, point));
  }

  /** The lives that are planned for aggregators, and then more of them. */
  withMore(planned: LifeSource): LifeSource {
    return {
      next: () => planned.next() ?? (this.#isWanting() ? { end: { killAfterMs: LIFE_MS } } : undefined),
      missed: (point) => planned.missed(point),
    };
  }

  /** Lives of processes that do nothing but upkeep, until `end`. */
  alone(): LifeSource {
    return {
      next: () => {
        // No more than is needed, so that somebody gets to the last things that upkeep does.
        const [end, ...besides] = this.due(0);
        return this.#isOver ? undefined : { end: end!, besides };
      },
      // There was nothing to do there: it stays due.
      missed: () => undefined,
    };
  }

  /** All else is over. */
  end(): void {
    this.#isOver = true;
  }

  #isWanting(): boolean {
    this.#graceEndMs ??= Date.now() + GRACE_MS;
    return Date.now() < this.#graceEndMs && !UPKEEP_POINTS.every((point) => this.#died.has(point));
  }
}
