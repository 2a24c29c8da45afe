// How whatever waits is told when: passed in, so that tests play hours in no time.

/** Runs `callback` after `delayMs`; returns how to cancel it. */
export type Schedule = (callback: () => void, delayMs: number) => () => void;

/** The clock of the machine. */
export const timers: Schedule = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
};

/** The same for what goes on beside the main job: it keeps no process alive whose job is over, or has failed. */
export const backgroundTimers: Schedule = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs).unref();
  return () => clearTimeout(timer);
};
