// What sinks of metrics send, decoded with the definitions that Prometheus and OpenTelemetry publish, by other people's code.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { openOtlpSink } from '@flowtoll/aggregator/sinks/otlp/kind.ts';
import { openRemoteWriteSink } from '@flowtoll/aggregator/sinks/remote-write/kind.ts';
import { rowColumnsOf } from '@flowtoll/aggregator/sinks/row-columns.testing.ts';
import type { Sink } from '@flowtoll/aggregator/sinks/sink.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askPython } from '../support/ask-python.ts';
import { METRIC_DECODERS, pythonEnvironment } from '../support/python-env.ts';

const DECODER = join(import.meta.dirname, '..', 'support', 'decode_metrics.py');
const CONTEXT = { name: 'metrics', cluster: 'demo', version: '1.2.3', now: Date.now };
const AT_MS = Date.UTC(2026, 5, 1, 12);
const FROM_MS = AT_MS - 60_000;

const SERIES = [
  { name: 'zones', labels: ['namespace', 'peer_zone', 'label:team'], measures: ['bytes', 'cost'] },
] as const;

/** A pod that pays for what it sends to another zone, what a node sends, and a tunnel. */
const ROWS = [
  flowRow({
    ...{
      localKind: 'pod',
      namespace: 'shop',
      pod: 'web-1',
      node: 'n1',
      zone: 'a',
      ip: '10.0.0.1',
      labels: '{"team":"red"}',
    },
    ...{ peerKind: 'pod', peerNamespace: 'data', peerPod: 'db-0', peerNode: 'n2', peerZone: 'b', peerIp: '10.0.1.1' },
    ...{ protocol: 'tcp', trafficClass: 'cross-zone', txBytes: 1000, rxBytes: 2 ** 53 - 1, connections: 1 },
    ...{ txCost: 1_500_000_000_001n, rxCost: 0n, processingCost: 0n },
  }),
  flowRow({
    ...{ localKind: 'pod', namespace: 'shop', pod: 'web-1', node: 'n1', zone: 'a', ip: '10.0.0.1' },
    ...{
      peerKind: 'internet',
      peerIp: '203.0.113.7',
      protocol: 'gre',
      trafficClass: 'internet',
      txBytes: 5,
      rxBytes: 6,
    },
  }),
  flowRow({ localKind: 'node', node: 'n1', protocol: 'udp', trafficClass: 'same-zone', txBytes: 11, rxBytes: 12 }),
  flowRow({ localKind: 'pod', node: 'n1', protocol: 'udp', trafficClass: 'encapsulation', txBytes: 99, rxBytes: 99 }),
];

interface Series {
  readonly labels: readonly (readonly [string, string])[];
  readonly value: number;
  readonly at: number;
}
interface Point {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly value: number;
}

const found = await pythonEnvironment(METRIC_DECODERS);
if ('missing' in found) console.warn(`Sinks of metrics are not decoded: ${found.missing}`);

describe.runIf('python' in found)('decoded with the published definitions', () => {
  let server: Server;
  let url: string;
  let answer: Uint8Array;
  let taken: { readonly headers: IncomingHttpHeaders; readonly body: Buffer }[];

  beforeEach(async () => {
    taken = [];
    answer = new Uint8Array();
    server = createServer(async (request, response) => {
      taken.push({ headers: request.headers, body: await buffer(request) });
      response.end(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/write`;
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  /** Sends one slice; returns what is kept. */
  async function deliver(sink: Sink, committedMs: number, state?: string): Promise<string> {
    const collector = sink.collect(state);
    collector.add(rowColumnsOf(ROWS));
    const slice = { from: 'a', to: 'b', committedMs, rowCount: ROWS.length };
    for await (const payload of collector.payloads(slice)) await sink.send(payload, AbortSignal.timeout(10_000));
    return collector.state!(slice);
  }

  async function decoded<T>(kind: string): Promise<T[]> {
    const bodies = taken.map(({ body }) => body.toString('base64'));
    const answers = (await askPython((found as { python: string }).python, DECODER, { kind, bodies })) as T[][];
    return answers.flat();
  }

  test('remote write 2.0', async () => {
    const settings = { type: 'prometheus-remote-write', url, version: '2.0', series: [...SERIES] } as const;
    const more = { sendReceivedBytesMetric: true, labels: { env: 'prod', src_pod: 'no' }, headers: { 'X-Key': 'k' } };
    await deliver(openRemoteWriteSink({ ...settings, ...more } as never, CONTEXT), AT_MS);
    for (const { headers } of taken) {
      expect(headers).toMatchObject({
        'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
        'content-encoding': 'snappy',
        'x-prometheus-remote-write-version': '2.0.0',
        'user-agent': 'flowtoll/1.2.3',
        'x-key': 'k',
      });
    }
    const series = await decoded<Series & { start: number; created: number; type: number; unit: string; help: string }>(
      'rw',
    );
    const texts = (of: Series) => {
      const sorted = of.labels.map(([name]) => name);
      expect(sorted).toEqual([...sorted].sort());
      const { __name__, ...labels } = Object.fromEntries(of.labels) as Record<string, string>;
      return `${__name__} ${JSON.stringify(labels)} ${of.value} ${of.at === AT_MS ? 'at' : of.at === FROM_MS ? 'from' : of.at}`;
    };
    const between = '{"env":"prod","peer_zone":"b","src_pod":"no","zone":"a"}';
    const shop = '{"env":"prod","label_team":"red","namespace":"shop","peer_zone":"b","src_pod":"no"}';
    const outside = '{"env":"prod","namespace":"shop","src_pod":"no"}';
    const node = '{"env":"prod","src_pod":"no"}';
    const own = [
      [`flowtoll_interzone_tx_bytes_total ${between}`, 1000],
      [`flowtoll_interzone_rx_bytes_total ${between}`, 2 ** 53 - 1],
      [`flowtoll_interzone_cost_usd_total ${between}`, 1.500000000001],
      [`flowtoll_interzone_unpriced_bytes_total ${between}`, 0],
      [`flowtoll_zones_tx_bytes_total ${shop}`, 1000],
      [`flowtoll_zones_tx_bytes_total ${outside}`, 5],
      [`flowtoll_zones_tx_bytes_total ${node}`, 11],
      [`flowtoll_zones_rx_bytes_total ${shop}`, 2 ** 53 - 1],
      [`flowtoll_zones_rx_bytes_total ${outside}`, 6],
      [`flowtoll_zones_rx_bytes_total ${node}`, 12],
      [`flowtoll_zones_cost_usd_total ${shop}`, 1.500000000001],
      [`flowtoll_zones_unpriced_bytes_total ${shop}`, 0],
      [`flowtoll_zones_unpriced_bytes_total ${outside}`, 11],
      [`flowtoll_zones_unpriced_bytes_total ${node}`, 23],
    ] as const;
    const pod = (labels: object) =>
      JSON.stringify({
        ...labels,
        src_ip: '10.0.0.1',
        src_namespace: 'shop',
        src_node: 'n1',
        src_pod: 'web-1',
        src_zone: 'a',
      });
    const toDb = pod({
      ...{ cross_zone: 'true', dst_ip: '10.0.1.1', dst_ip_type: 'private', dst_namespace: 'data', dst_node: 'n2' },
      ...{ dst_pod: 'db-0', dst_zone: 'b', env: 'prod', proto: 'TCP' },
    });
    const toOutside = pod({
      cross_zone: 'false',
      dst_ip: '203.0.113.7',
      dst_ip_type: 'public',
      env: 'prod',
      proto: '47',
    });
    expect(series.map(texts)).toEqual([
      ...own.map(([name]) => `${name} 0 from`),
      ...own.map(([name, value]) => `${name} ${value} at`),
      `egressd_transmit_bytes_total ${toDb} 1000 at`,
      `egressd_received_bytes_total ${toDb} ${2 ** 53 - 1} at`,
      `egressd_transmit_bytes_total ${toOutside} 5 at`,
      `egressd_received_bytes_total ${toOutside} 6 at`,
    ]);
    for (const { labels, start, created, type, unit, help } of series) {
      const isOwn = labels.find(([name]) => name === '__name__')![1].startsWith('flowtoll_');
      expect({ start, created, type }).toEqual({
        ...(isOwn ? { start: FROM_MS, created: FROM_MS } : { start: 0, created: 0 }),
        type: 1,
      });
      expect(unit).toMatch(/^(bytes|USD)$/);
      expect(help).toMatch(/\.$/);
    }
  });

  test('counters of remote write go on with what was kept, and are sent whole', async () => {
    const settings = { type: 'prometheus-remote-write', url, version: '2.0', egressd: false, batchSamples: 3 } as const;
    const sink = openRemoteWriteSink({ ...settings, series: [...SERIES] } as never, CONTEXT);
    const state = await deliver(sink, AT_MS);
    const requests = taken.length;
    taken = [];
    await deliver(sink, AT_MS + 30_000, state);
    const series = await decoded<Series>('rw');
    expect(taken).toHaveLength(5);
    // Zeros, and then the same number.
    expect(requests).toBe(2 * taken.length);
    const cost = series.filter(({ labels }) => labels.some(([, value]) => value === 'flowtoll_zones_cost_usd_total'));
    expect(cost).toMatchObject([{ value: 3.000000000002, at: AT_MS + 30_000, start: FROM_MS }]);
  });

  test('OTLP, deltas', async () => {
    const settings = {
      type: 'otlp',
      url,
      series: [...SERIES],
      resourceAttributes: { 'deployment.environment': 'prod' },
    } as const;
    const sink = openOtlpSink(settings as never, CONTEXT);
    const state = await deliver(sink, AT_MS);
    await deliver(sink, AT_MS + 30_000, state);
    expect(taken[0]!.headers).toMatchObject({ 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' });
    const points = await decoded<Point & { start: string; at: string }>('otlp');
    const rx = points.filter(({ name }) => name === 'flowtoll.zones.rx_bytes');
    const first = { start: `${FROM_MS}000000`, at: `${AT_MS}000000` };
    const second = { start: `${AT_MS}000000`, at: `${AT_MS + 30_000}000000` };
    const common = {
      resource: { 'service.name': 'flowtoll', 'k8s.cluster.name': 'demo', 'deployment.environment': 'prod' },
      ...{ scope: ['flowtoll', '1.2.3'], unit: 'By', temporality: 1, monotonic: true, kind: 'as_int' },
    };
    const shop = { namespace: 'shop', peer_zone: 'b', label_team: 'red' };
    expect(rx).toMatchObject(
      [first, second].flatMap((times) => [
        { ...common, ...times, attributes: shop, value: 2 ** 53 - 1 },
        { ...common, ...times, attributes: { namespace: 'shop' }, value: 6 },
        { ...common, ...times, attributes: {}, value: 12 },
      ]),
    );
    expect(points.filter(({ name }) => name === 'flowtoll.zones.cost_usd')).toMatchObject([
      { ...common, unit: '{USD}', kind: 'as_double', attributes: shop, value: 1.500000000001 },
      { ...common, unit: '{USD}', kind: 'as_double', attributes: shop, value: 1.500000000001 },
    ]);
  });

  test('OTLP, totals', async () => {
    const sink = openOtlpSink({ type: 'otlp', url, series: [...SERIES], temporality: 'cumulative' } as never, CONTEXT);
    const state = await deliver(sink, AT_MS);
    taken = [];
    await deliver(sink, AT_MS + 30_000, state);
    const points = await decoded<Point>('otlp');
    expect(points.filter(({ name }) => name === 'flowtoll.zones.tx_bytes')).toMatchObject([
      { temporality: 2, value: 2000, start: `${FROM_MS}000000`, at: `${AT_MS + 30_000}000000` },
      { temporality: 2, value: 10 },
      { temporality: 2, value: 22 },
    ]);
  });

  test('a part that OTLP’s receiver did not take is counted', async () => {
    // partial_success { rejected_data_points: 3, error_message: "no" }
    answer = Uint8Array.of(0x0a, 6, 0x08, 3, 0x12, 2, 0x6e, 0x6f);
    const sink = openOtlpSink({ type: 'otlp', url, series: [...SERIES] } as never, CONTEXT);
    await expect(deliver(sink, AT_MS)).rejects.toMatchObject({
      name: 'PayloadRefused',
      reason: 'partial-success',
      message: '3 data points were not taken: no',
    });
    // A warning alone is none.
    answer = Uint8Array.of(0x0a, 4, 0x12, 2, 0x6e, 0x6f);
    await deliver(sink, AT_MS);
  });
});
