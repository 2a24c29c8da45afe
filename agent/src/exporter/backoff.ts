// How long to wait before the next attempt: twice as long after each failure, with jitter, so that five thousand agents do
// not come back in the same second.

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface Backoff {
  /** Milliseconds to wait now; grows with each call. */
  nextMs(): number;
  /** Something worked: begin again. */
  reset(): void;
}

/** Waits between half and all of min × 2^failures, at most max. */
export function createBackoff({ minMs, maxMs, random }: BackoffOptions): Backoff {
  let failures = 0;
  return {
    nextMs() {
      const ceiling = Math.min(maxMs, minMs * 2 ** failures);
      failures++;
      return Math.round(ceiling * (0.5 + random() / 2));
    },
    reset() {
      failures = 0;
    },
  };
}
