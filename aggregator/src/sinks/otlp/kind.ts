// Sinks of type `otlp`: the series as OpenTelemetry metrics, over HTTP as protobuf. Deltas by default: what a slice of the log says is one.
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { metricsOf, roundedAmount } from '../../series/metrics.ts';
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
import { PayloadRefused, type Sink } from '../sink.ts';
import { decodeRejection, encodeMetricsRequest, type OtlpMetric, type OtlpPoint } from './metrics-request.ts';

const POINTS_DEFAULT = 5000;
/** UCUM's words for ours. */
const UNITS: Readonly<Record<string, string>> = {
  bytes: 'By',
  packets: '{packet}',
  connections: '{connection}',
  USD: '{USD}',
};

export const otlpSchema = z.strictObject({
  type: z.literal('otlp'),
  ...commonSettings,
  ...httpSettings,
  compression: z.enum(['gzip', 'none']).optional().describe('Content-Encoding. Default: gzip.'),
  temporality: z
    .enum(['delta', 'cumulative'])
    .optional()
    .describe('What values are: of one delivery, or totals that go on over restarts and replicas. Default: delta.'),
  resourceAttributes: z
    .record(z.string().min(1), z.string())
    .optional()
    .describe('Attributes of the resource beside service.name (flowtoll) and k8s.cluster.name.'),
  ...seriesSettings,
  batchPoints: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe(`Most data points of one request. Default: ${POINTS_DEFAULT}.`),
});

export type OtlpSettings = z.infer<typeof otlpSchema>;

export const otlpKind: SinkKind<typeof otlpSchema> = {
  type: 'otlp',
  schema: otlpSchema,
  expanded: HTTP_EXPANDED,
  open: openOtlpSink,
};

const compress = promisify(gzip);

export function openOtlpSink(settings: OtlpSettings, context: SinkContext): Sink {
  const sets = setsOf(settings.series);
  const temporality = settings.temporality ?? 'delta';
  const isCompressed = settings.compression !== 'none';
  const batchPoints = settings.batchPoints ?? POINTS_DEFAULT;
  const resource = Object.entries({
    'service.name': 'flowtoll',
    'k8s.cluster.name': context.cluster,
    ...settings.resourceAttributes,
  });
  const target = {
    url: settings.url,
    method: 'POST',
    headers: {
      'user-agent': `flowtoll/${context.version}`,
      ...Object.fromEntries(Object.entries(settings.headers ?? {}).map(([key, value]) => [key.toLowerCase(), value])),
      'content-type': 'application/x-protobuf',
      ...(isCompressed && { 'content-encoding': 'gzip' }),
    },
    timeoutMs: durationMs(settings.timeout ?? TIMEOUT_DEFAULT),
    now: context.now,
  } as const;

  return {
    columns: columnsOfSets(sets),
    takesLosses: false,
    collect(state) {
      const sums = new RunningSums(sets, durationMs(settings.interval ?? INTERVAL_DEFAULT), state);
      return {
        add: (rows) => sums.add(rows),
        get itemCount() {
          return sums.size;
        },
        async *payloads(slice) {
          const { times, sets } = sums.close(slice);
          let index = 0;
          for (const points of inBatches(pointsOf(sets, times, temporality), batchPoints)) {
            const message = encodeMetricsRequest({ resource, version: context.version, temporality, points });
            const bytes = isCompressed ? await compress(message) : message;
            yield { bytes, itemCount: points.length, id: `${context.cluster}/${slice.to}/${index++}` };
            await setImmediate();
          }
        },
        state: (slice) => sums.state(slice),
      };
    },
    async send({ bytes }, signal) {
      const { body } = await httpPost(target, bytes, signal);
      const rejection = decodeRejection(body);
      if (rejection !== undefined) {
        const { points, message } = rejection;
        throw new PayloadRefused('partial-success', `${points} data points were not taken: ${message}`);
      }
    },
  };
}

function* pointsOf(
  sets: readonly RunningSet[],
  { fromMs, atMs }: SliceTimes,
  temporality: 'delta' | 'cumulative',
): Generator<OtlpPoint> {
  const isDelta = temporality === 'delta';
  for (const { config, series } of sets) {
    for (const { suffix, help, unit, of } of metricsOf(config.measures)) {
      // A receiver that makes Prometheus series of it adds what stands behind the name there.
      const name = `flowtoll.${config.name}.${suffix.replace(/_total$/, '')}`;
      const metric: OtlpMetric = { name, description: help, unit: UNITS[unit]! };
      for (const { values, total, slice, sinceMs } of series) {
        const sums = isDelta ? slice : total;
        const value = sums && of(sums);
        if (value === undefined) continue;
        yield {
          metric,
          attributes: config.labels.flatMap((label, i) =>
            values[i] === '' ? [] : [[label.name, values[i]!] as const],
          ),
          value: roundedAmount(value),
          isInteger: typeof value === 'number',
          startMs: isDelta ? fromMs : sinceMs,
          atMs,
        };
      }
    }
  }
}

function* inBatches(points: Iterable<OtlpPoint>, size: number): Generator<OtlpPoint[]> {
  let batch: OtlpPoint[] = [];
  for (const point of points) {
    batch.push(point);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
