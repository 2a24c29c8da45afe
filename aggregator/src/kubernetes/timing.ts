// Time as the caches need it: passed in, so that tests play an hour in no time. Knows nothing of Kubernetes.
import type { Schedule } from '../model/schedule.ts';

export interface Timing {
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly schedule: Schedule;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** The machine's own. Timers do not keep the process alive. */
export const SYSTEM_TIMING: Timing = {
  now: Date.now,
  schedule: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

/** Resolves after `delayMs`, or as soon as `signal` is aborted. */
export function pause(timing: Timing, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timing.schedule(done, delayMs);
    signal.addEventListener('abort', done, { once: true });
  });
}

export interface Watchdog {
  /** Something was heard. */
  heard(): void;
  stop(): void;
}

/** Calls `onSilence` once nothing was heard for `silenceMs`. One timer for each interval, however much is heard. */
export function createWatchdog(timing: Timing, silenceMs: number, onSilence: () => void): Watchdog {
  let heardMs = timing.now();
  let cancel: () => void;
  const look = (): void => {
    const leftMs = heardMs + silenceMs - timing.now();
    if (leftMs <= 0) onSilence();
    // A clock that was set back must not put the look off.
    else cancel = timing.schedule(look, Math.min(leftMs, silenceMs));
  };
  cancel = timing.schedule(look, silenceMs);
  return {
    heard() {
      heardMs = timing.now();
    },
    stop: () => cancel(),
  };
}

export interface Backoff {
  /** Milliseconds to wait now; grows with each call. */
  nextMs(): number;
  /** Something worked: begin again. */
  reset(): void;
}

/** Waits between half and all of min × 2^failures, at most max. */
export function createBackoff({ random }: Pick<Timing, 'random'>, minMs: number, maxMs: number): Backoff {
  let failures = 0;
  return {
    nextMs() {
      const ceilingMs = Math.min(maxMs, minMs * 2 ** failures);
      failures++;
      return Math.round(ceilingMs * (0.5 + random() / 2));
    },
    reset() {
      failures = 0;
    },
  };
}
