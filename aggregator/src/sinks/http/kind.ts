// Sinks of type `http`: what egressd's HTTP sink sends, to whoever takes that; or the same as JSON.
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { httpPost } from '../http-post.ts';
import type { SinkContext, SinkKind } from '../kind.ts';
import { commonSettings, durationMs, HTTP_EXPANDED, httpSettings, TIMEOUT_DEFAULT } from '../settings.ts';
import type { Sink } from '../sink.ts';
import { encodeJson } from './json-batch.ts';
import { POD_TRAFFIC_COLUMNS, POD_TRAFFIC_FILTERS, PodTraffic, type PodTrafficItem } from './pod-traffic.ts';
import { encodeProtobuf } from './protobuf-batch.ts';

const BATCH_ITEMS_DEFAULT = 10_000;
/** Items that are encoded in one go: what comes from agents waits no longer than this takes. */
const ENCODE_ITEMS = 1000;

export const httpSinkSchema = z.strictObject({
  type: z.literal('http'),
  ...commonSettings,
  ...httpSettings,
  method: z.enum(['POST', 'PUT']).optional().describe('Default: POST.'),
  encoding: z
    .enum(['protobuf', 'json'])
    .optional()
    .describe("protobuf: egressd's message PodNetworkMetricBatch; json: the same fields by name. Default: protobuf."),
  compression: z.enum(['gzip', 'none']).optional().describe('Content-Encoding. Default: gzip.'),
  batchItems: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe(`Most items of one request; what is more goes in further requests. Default: ${BATCH_ITEMS_DEFAULT}.`),
  groupPublicIps: z
    .boolean()
    .optional()
    .describe('Addresses outside become 0.0.0.0 (:: of IPv6), so that there are fewer items. Default: false.'),
});

export type HttpSinkSettings = z.infer<typeof httpSinkSchema>;

export const httpKind: SinkKind<typeof httpSinkSchema> = {
  type: 'http',
  schema: httpSinkSchema,
  expanded: HTTP_EXPANDED,
  open: openHttpSink,
};

const compress = promisify(gzip);

export function openHttpSink(settings: HttpSinkSettings, context: SinkContext): Sink {
  const encoding = settings.encoding ?? 'protobuf';
  const isCompressed = settings.compression !== 'none';
  const target = {
    url: settings.url,
    method: settings.method ?? 'POST',
    headers: {
      'content-type': encoding === 'json' ? 'application/json' : 'application/protobuf',
      ...(isCompressed && { 'content-encoding': 'gzip' }),
      'user-agent': `flowtoll/${context.version}`,
      ...Object.fromEntries(Object.entries(settings.headers ?? {}).map(([key, value]) => [key.toLowerCase(), value])),
    },
    timeoutMs: durationMs(settings.timeout ?? TIMEOUT_DEFAULT),
    now: context.now,
  } as const;
  const encode = encoding === 'json' ? encodeJson : encodeProtobuf;
  const batchItems = settings.batchItems ?? BATCH_ITEMS_DEFAULT;

  return {
    columns: POD_TRAFFIC_COLUMNS,
    takesLosses: false,
    filters: POD_TRAFFIC_FILTERS,
    collect() {
      const traffic = new PodTraffic({ groupPublicIps: settings.groupPublicIps ?? false });
      return {
        add: (rows) => traffic.add(rows),
        get itemCount() {
          return traffic.items.size;
        },
        async *payloads(slice) {
          let index = 0;
          for (const items of inBatches(traffic.items.values(), batchItems)) {
            const id = `${context.cluster}/${slice.to}/${index++}`;
            const parts = await encode(inBatches(items, ENCODE_ITEMS), { cluster: context.cluster, id, slice });
            const bytes = isCompressed ? await compress(parts) : parts;
            yield { bytes, itemCount: items.length, id };
          }
        },
      };
    },
    async send({ bytes, id }, signal) {
      await httpPost({ ...target, headers: { 'idempotency-key': id, ...target.headers } }, bytes, signal);
    },
  };
}

function* inBatches(items: Iterable<PodTrafficItem>, size: number): Generator<PodTrafficItem[]> {
  let batch: PodTrafficItem[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
