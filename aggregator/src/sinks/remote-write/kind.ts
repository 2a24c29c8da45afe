// Sinks of type `prometheus-remote-write`: egressd's series for who has queries on them, and Flowtoll's own as counters that go on over restarts
// and replicas.
import { setImmediate } from 'node:timers/promises';
import snappy from 'snappyjs';
import { z } from 'zod';
import { metricsOf, roundedAmount } from '../../series/metrics.ts';
import type { SeriesSetConfig } from '../../series/set.ts';
import { POD_TRAFFIC_COLUMNS, PodTraffic } from '../http/pod-traffic.ts';
import { httpPost } from '../http-post.ts';
import type { SinkContext, SinkKind } from '../kind.ts';
import { columnsOfSets } from '../metrics/row-view.ts';
import { type RunningSet, RunningSums, type SliceTimes } from '../metrics/running-sums.ts';
import { seriesSettings, setsOf } from '../metrics/settings.ts';
import {
  commonSettings,
  durationMs,
  HTTP_EXPANDED,
  httpSettings,
  INTERVAL_DEFAULT,
  TIMEOUT_DEFAULT,
} from '../settings.ts';
import type { Sink } from '../sink.ts';
import { egressdSamples } from './egressd-series.ts';
import { podRows } from './pod-rows.ts';
import { type MetricFacts, type Sample, sampleLabels } from './sample.ts';
import { encodeVersion1, VERSION_1_HEADERS } from './version-1.ts';
import { encodeVersion2, VERSION_2_HEADERS } from './version-2.ts';

/** What Prometheus itself sends at once. */
const SAMPLES_DEFAULT = 2000;

export const remoteWriteSchema = z.strictObject({
  type: z.literal('prometheus-remote-write'),
  ...commonSettings,
  ...httpSettings,
  version: z.enum(['1.0', '2.0']).optional().describe('Version of remote write. Default: 1.0.'),
  labels: z
    .record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'A label is letters, digits and "_"'), z.string())
    .optional()
    .describe('Labels of every series, unless it has one of that name itself.'),
  egressd: z
    .boolean()
    .optional()
    .describe('Whether egressd_transmit_bytes_total is sent, with egressd’s labels and meanings. Default: true.'),
  sendReceivedBytesMetric: z
    .boolean()
    .optional()
    .describe('Whether egressd_received_bytes_total is sent, too. Default: false.'),
  groupPublicIps: z
    .boolean()
    .optional()
    .describe(
      'In egressd’s series addresses outside become 0.0.0.0 (:: of IPv6), so that there are fewer. Default: false.',
    ),
  ...seriesSettings,
  batchSamples: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe(`Most samples of one request. Default: ${SAMPLES_DEFAULT}.`),
});

export type RemoteWriteSettings = z.infer<typeof remoteWriteSchema>;

export const remoteWriteKind: SinkKind<typeof remoteWriteSchema> = {
  type: 'prometheus-remote-write',
  schema: remoteWriteSchema,
  expanded: HTTP_EXPANDED,
  open: openRemoteWriteSink,
};

export function openRemoteWriteSink(settings: RemoteWriteSettings, context: SinkContext): Sink {
  const sets = setsOf(settings.series);
  const hasEgressd = settings.egressd ?? true;
  const isVersion2 = settings.version === '2.0';
  const encode = isVersion2 ? encodeVersion2 : encodeVersion1;
  const customLabels = settings.labels ?? {};
  const batchSamples = settings.batchSamples ?? SAMPLES_DEFAULT;
  const target = {
    url: settings.url,
    method: 'POST',
    headers: {
      'user-agent': `flowtoll/${context.version}`,
      ...Object.fromEntries(Object.entries(settings.headers ?? {}).map(([key, value]) => [key.toLowerCase(), value])),
      // These say what the body is.
      ...(isVersion2 ? VERSION_2_HEADERS : VERSION_1_HEADERS),
      'content-encoding': 'snappy',
    },
    timeoutMs: durationMs(settings.timeout ?? TIMEOUT_DEFAULT),
    now: context.now,
  } as const;

  return {
    columns: [...new Set([...columnsOfSets(sets), ...(hasEgressd ? [...POD_TRAFFIC_COLUMNS, 'local_kind'] : [])])],
    takesLosses: false,
    collect(state) {
      const sums = new RunningSums(sets, durationMs(settings.interval ?? INTERVAL_DEFAULT), state);
      const traffic = new PodTraffic({ groupPublicIps: settings.groupPublicIps ?? false });
      return {
        add(rows) {
          sums.add(rows);
          if (hasEgressd) traffic.add(podRows(rows));
        },
        get itemCount() {
          return sums.size + traffic.items.size;
        },
        async *payloads(slice) {
          const { times, sets } = sums.close(slice);
          const parts = [
            // A receiver that has later samples already refuses these, and must then have the others all the same.
            zeroSamples(sets, times, customLabels),
            ownSamples(sets, times, customLabels),
            egressdSamples(traffic.items.values(), {
              withReceived: settings.sendReceivedBytesMetric ?? false,
              customLabels,
              atMs: times.atMs,
            }),
          ];
          let index = 0;
          for (const part of parts) {
            for (const samples of inBatches(part, batchSamples)) {
              const bytes = snappy.compress(encode(samples));
              yield { bytes, itemCount: samples.length, id: `${context.cluster}/${slice.to}/${index++}` };
              await setImmediate();
            }
          }
        },
        state: (slice) => sums.state(slice),
      };
    },
    async send({ bytes }, signal) {
      await httpPost(target, bytes, signal);
    },
  };
}

/** All series, changed or not, as a scrape would have them. */
function* ownSamples(
  sets: readonly RunningSet[],
  { atMs }: SliceTimes,
  customLabels: Readonly<Record<string, string>>,
): Generator<Sample> {
  for (const { config, series } of sets) {
    for (const { metric, of } of factsOf(config)) {
      for (const { values, total, sinceMs } of series) {
        const value = of(total);
        if (value === undefined) continue;
        const labels = sampleLabels(metric.name, labelsOf(config, values), customLabels);
        yield { metric, labels, value: roundedAmount(value), atMs, sinceMs };
      }
    }
  }
}

/** What is new begins at zero, where its first slice began: else nobody would see its first increase. */
function* zeroSamples(
  sets: readonly RunningSet[],
  { fromMs }: SliceTimes,
  customLabels: Readonly<Record<string, string>>,
): Generator<Sample> {
  for (const { config, series } of sets) {
    for (const { metric, of } of factsOf(config)) {
      for (const { values, total, slice, sinceMs } of series) {
        const isNew = sinceMs === fromMs || (slice !== undefined && isFirst(of(total), of(slice)));
        if (!isNew || of(total) === undefined) continue;
        const labels = sampleLabels(metric.name, labelsOf(config, values), customLabels);
        yield { metric, labels, value: 0, atMs: fromMs, sinceMs };
      }
    }
  }
}

/** A cost may come later than the bytes of its series. */
function isFirst(total: number | bigint | undefined, slice: number | bigint | undefined): boolean {
  return total !== undefined && total === slice && typeof total === 'bigint';
}

function factsOf(config: SeriesSetConfig) {
  return metricsOf(config.measures).map(({ suffix, help, unit, of }) => ({
    of,
    metric: { name: `flowtoll_${config.name}_${suffix}`, help, unit } satisfies MetricFacts,
  }));
}

function labelsOf({ labels }: SeriesSetConfig, values: readonly string[]): [string, string][] {
  return labels.map(({ name }, i) => [name, values[i]!]);
}

function* inBatches(samples: Iterable<Sample>, size: number): Generator<Sample[]> {
  let batch: Sample[] = [];
  for (const sample of samples) {
    batch.push(sample);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
