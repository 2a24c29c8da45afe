// Waiting that may be cut short.
import type { Schedule } from '../model/schedule.ts';

/** Resolves after the time, or when the signal aborts. */
export function pause(schedule: Schedule, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = schedule(done, ms);
    signal.addEventListener('abort', done);
  });
}
