// Samples as both versions of remote write send them. Knows no encoding and no series.

/** What a metric is. */
export interface MetricFacts {
  readonly name: string;
  readonly help: string;
  readonly unit: string;
}

/** One sample of one series. */
export interface Sample {
  readonly metric: MetricFacts;
  /** Name and value, sorted by name, the metric's own name among them as `__name__`; none is empty. */
  readonly labels: readonly (readonly [string, string])[];
  readonly value: number;
  /** ms since the Unix epoch. */
  readonly atMs: number;
  /** When the counter began; undefined: it is none that goes on. */
  readonly sinceMs?: number | undefined;
}

/** The labels of a series as they are sent: sorted, none empty; its own go before those of the sink. */
export function sampleLabels(
  name: string,
  own: Iterable<readonly [string, string]>,
  custom: Readonly<Record<string, string>>,
): [string, string][] {
  const labels = new Map<string, string>([...Object.entries(custom), ['__name__', name]]);
  for (const [key, value] of own) if (value !== '') labels.set(key, value);
  return [...labels].filter(([, value]) => value !== '').sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
