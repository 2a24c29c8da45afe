// The aggregators' wall clock, which runs ahead of the machine's in jumps, so that hours end and files grow old while a round lasts
// (support/jumping-clock.ts). Agents and the store keep the machine's time: an agent says its own with every stream, and the
// aggregator moves its windows.
//
// How fast it may be: the product promises that a commit is either over within six days or gives up what it has staged. A commit
// that hangs on the store's longest wait, or stands still with its process, must not last that long by its own clock, so this one
// gains about seven hours a second.
import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../lab/random.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const TICK_MS = 500;
const STEPS_MS = [10 * MINUTE_MS, 40 * MINUTE_MS, 90 * MINUTE_MS, 4 * HOUR_MS, 11 * HOUR_MS];
/** Below the age at which the log forgets batches, 30 days: an agent may have waited from the beginning on. */
const MOST_MS = 27 * DAY_MS;
/** When that is reached, hours still end. */
const LATER_STEPS_MS = [MINUTE_MS, 20 * MINUTE_MS];
const MOST_EVER_MS = 29 * DAY_MS;

export class FastTime {
  /** What FLOWTOLL_TEST_CLOCK names. */
  readonly file: string;
  #aheadMs = 0;

  constructor(file: string) {
    this.file = file;
    this.advance(0);
  }

  /** What it says, ms since the Unix epoch. */
  readonly now = (): number => Date.now() + this.#aheadMs;

  /** How far it is ahead of the machine's clock. */
  get aheadDays(): number {
    return this.#aheadMs / DAY_MS;
  }

  advance(byMs: number): void {
    this.#aheadMs = Math.min(MOST_EVER_MS, this.#aheadMs + byMs);
    // Whoever reads it meanwhile must not find it empty.
    writeFileSync(`${this.file}.next`, String(this.#aheadMs));
    renameSync(`${this.file}.next`, this.file);
  }

  /** Runs until `signal` aborts. */
  async run(random: Random, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(TICK_MS, undefined, { signal }).catch(() => undefined);
      this.advance(random.pick(this.#aheadMs < MOST_MS ? STEPS_MS : LATER_STEPS_MS));
    }
  }
}
