// Counts of observations by size, as Prometheus has them: cumulative buckets, sum, count.

/** A distribution; only grows. */
export class Histogram {
  /** Upper bounds of the buckets, ascending; beyond the last one is one more. */
  readonly bounds: readonly number[];
  /** Observations in each bucket, not cumulative; one more than bounds. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const index = this.bounds.findIndex((bound) => value <= bound);
    this.counts[index === -1 ? this.bounds.length : index]!++;
    this.sum += value;
  }
}
