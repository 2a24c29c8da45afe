// Which metrics a set of series has: names, units, meanings, and what of the sums each one is. The one list that the text at /metrics,
// remote write and OTLP are made of. Amounts of money stay exact: integers of 1e-12 USD.
import type { Measure } from './format.ts';
import type { Sums } from './set.ts';

/** One metric of a set. */
export interface SeriesMetric {
  readonly measure: Measure;
  /** What stands behind the name of the set. */
  readonly suffix: string;
  readonly unit: string;
  readonly help: string;
  /** Undefined: not known, so there is no such series. A bigint is 1e-12 of the unit. */
  readonly of: (sums: Readonly<Sums>) => number | bigint | undefined;
}

export const SERIES_METRICS: readonly SeriesMetric[] = [
  {
    measure: 'bytes',
    suffix: 'tx_bytes_total',
    unit: 'bytes',
    help: 'Sent by the local sides. Between two metered nodes it is what the other side received: never add both.',
    of: ({ txBytes }) => txBytes,
  },
  {
    measure: 'bytes',
    suffix: 'rx_bytes_total',
    unit: 'bytes',
    help: 'Received by the local sides.',
    of: ({ rxBytes }) => rxBytes,
  },
  {
    measure: 'packets',
    suffix: 'tx_packets_total',
    unit: 'packets',
    help: 'Sent by the local sides.',
    of: ({ txPackets }) => txPackets,
  },
  {
    measure: 'packets',
    suffix: 'rx_packets_total',
    unit: 'packets',
    help: 'Received by the local sides.',
    of: ({ rxPackets }) => rxPackets,
  },
  {
    measure: 'connections',
    suffix: 'connections_total',
    unit: 'connections',
    help: 'Connections that were seen first in these rows.',
    of: ({ connections }) => connections,
  },
  {
    measure: 'cost',
    suffix: 'cost_usd_total',
    unit: 'USD',
    help: 'What the provider bills the local sides, as far as it is known. Absent where nothing has a price.',
    of: ({ cost }) => cost,
  },
  {
    measure: 'cost',
    suffix: 'unpriced_bytes_total',
    unit: 'bytes',
    help: 'Bytes sent or received of whose cost something is not known.',
    of: ({ unpricedBytes }) => unpricedBytes,
  },
];

/** Those of a set that counts these measures. */
export function metricsOf(measures: readonly Measure[]): SeriesMetric[] {
  return SERIES_METRICS.filter(({ measure }) => measures.includes(measure));
}

const PICO = 1_000_000_000_000n;

/** As text, exact. */
export function amountText(value: number | bigint): string {
  if (typeof value === 'number') return String(value);
  const size = value < 0n ? -value : value;
  const decimals = (size % PICO).toString().padStart(12, '0').replace(/0+$/, '');
  return `${value < 0n ? '-' : ''}${size / PICO}${decimals === '' ? '' : `.${decimals}`}`;
}

/** As a number, rounded where it has no room for all digits. */
export function roundedAmount(value: number | bigint): number {
  return typeof value === 'number' ? value : Number(amountText(value));
}
