// Waiting for work that is good to have and no condition of the main job: not for longer than so, and not once somebody says to stop. The
// work itself goes on. Knows nothing of what it is.
import type { Schedule } from './model/schedule.ts';

export interface BoundedWait {
  /** At most so long, ms. */
  readonly maxMs: number;
  readonly schedule: Schedule;
  /** Ends the waiting, too. */
  readonly stop?: Promise<unknown>;
}

/** How a wait ended: the work is done; it takes longer; somebody said to stop. Rejects when the work does first. */
export type Waited = 'done' | 'late' | 'stopped';

export async function waitFor(
  work: Promise<unknown>,
  { maxMs, schedule, stop = new Promise(() => undefined) }: BoundedWait,
): Promise<Waited> {
  let cancel: () => void = () => undefined;
  const late = new Promise<Waited>((resolve) => {
    cancel = schedule(() => resolve('late'), maxMs);
  });
  try {
    return await Promise.race([work.then((): Waited => 'done'), stop.then((): Waited => 'stopped'), late]);
  } finally {
    cancel();
  }
}
