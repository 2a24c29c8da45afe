// The sink of type `http` beside a real table, to a real HTTP server that is slow, refuses, cuts and goes away: what arrives is decoded
// with egressd's published fields by other people's code, and its sums are those that DuckDB finds in the Parquet files. Time is the
// test's, requests are real.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { ROOT, TestClock, WatchedTable } from '@flowtoll/aggregator/api/watched-table.testing.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { parseSinks } from '@flowtoll/aggregator/sinks/config.ts';
import { SINK_KINDS } from '@flowtoll/aggregator/sinks/kinds.ts';
import { type RunningSink, runSink } from '@flowtoll/aggregator/sinks/run-sink.ts';
import { durationMs } from '@flowtoll/aggregator/sinks/settings.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askPython } from '../support/ask-python.ts';
import { METRIC_DECODERS, pythonEnvironment } from '../support/python-env.ts';

const DECODER = join(import.meta.dirname, '..', 'support', 'decode_metrics.py');
const PATIENCE_MS = 8_000;

/** What the receiver does with one request. `cut-after`: it has taken the payload, and nobody hears of it. */
type Behaviour =
  | 'take'
  | 'slow'
  | 'cut'
  | 'cut-after'
  | number
  | { readonly status: number; readonly retryAfter: string };

interface Taken {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly body: Buffer;
}

/** Takes payloads, or does what it is told first. */
class Receiver {
  #server: Server | undefined;
  #port = 0;
  readonly taken: Taken[] = [];
  /** For the requests that come next, one each. */
  troubles: Behaviour[] = [];
  /** Requests, taken or not. */
  requests = 0;

  async open(): Promise<void> {
    this.#server = createServer(async (request, response) => {
      this.requests++;
      const body = await buffer(request).catch(() => undefined);
      if (body === undefined) return;
      const behaviour = this.troubles.shift() ?? 'take';
      if (behaviour === 'slow') return;
      if (behaviour === 'cut') return void request.socket.destroy();
      if (typeof behaviour === 'number') return void response.writeHead(behaviour).end('not now: key-of-shop');
      if (typeof behaviour === 'object') {
        return void response.writeHead(behaviour.status, { 'retry-after': behaviour.retryAfter }).end();
      }
      this.taken.push({ headers: request.headers, path: request.url!, body });
      if (behaviour === 'cut-after') request.socket.destroy();
      else response.writeHead(202).end();
    });
    await new Promise<void>((resolve) => this.#server!.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }
}

const found = await pythonEnvironment(METRIC_DECODERS);
if ('missing' in found) console.warn(`The HTTP sink's bytes are not decoded: ${found.missing}`);

let receiver: Receiver;
let table: WatchedTable;
let running: RunningSink[];
let logged: string[];
beforeEach(async () => {
  [running, logged] = [[], []];
  receiver = new Receiver();
  await receiver.open();
  table = await WatchedTable.open();
});
afterEach(async () => {
  await Promise.all(running.map((sink) => sink.stop()));
  await receiver.close();
  await table.close();
});

/** Some pods' rows; each commit has others. */
let made = 0;
function rows(count = 4): FlowRow[] {
  return Array.from({ length: count }, (_, i) => {
    const n = made++;
    return flowRow({
      ...{
        localKind: 'pod',
        namespace: `ns-${n % 3}`,
        pod: `pod-${n % 7}`,
        node: 'n1',
        zone: 'a',
        ip: `10.0.0.${n % 7}`,
      },
      ...(i % 2 === 0
        ? { peerKind: 'pod', peerNamespace: 'data', peerPod: 'db-0', peerNode: 'n2', peerZone: 'b', peerIp: '10.0.1.1' }
        : { peerKind: 'internet', peerIp: `203.0.113.${n % 250}` }),
      ...{
        protocol: i % 3 === 0 ? 'udp' : 'tcp',
        port: 1000 + n,
        trafficClass: i % 2 === 0 ? 'cross-zone' : 'internet',
      },
      ...{ txBytes: 1000 + n, txPackets: 10 + n, rxBytes: 5_000_000_000_000 + n, rxPackets: n },
    });
  });
}

/** What it is not to be told of: a node's own row, a tunnel, a loss. */
const OTHERS = [
  flowRow({ localKind: 'node', protocol: 'tcp', txBytes: 7, rxBytes: 7 }),
  flowRow({ localKind: 'pod', pod: 'x', trafficClass: 'encapsulation', protocol: 'udp', txBytes: 7, rxBytes: 7 }),
  flowRow({ trafficClass: 'lost', lossReason: 'vanished', txBytes: 7 }),
];

/** A replica that delivers the sinks of this file. Where no clock is given it has one of its own. */
function startReplica(text: string, { clock = new TestClock(), env = {}, holder = 'a', leaseMs = 60_000 } = {}) {
  const log = (level: string) => (fields: object, message: string) =>
    void logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const sinks = parseSinks(text, 'sinks.yaml', env).map(({ name, settings }) => {
    const context = { name, cluster: 'demo', version: '1.2.3', now: Date.now };
    const { heartbeatMs: _, ...parts } = table.replica(clock);
    const { type, from = 'now', excludeNamespaces = [], interval = '60s' } = settings;
    const sink = runSink(
      { name, type, cluster: 'demo', holder, from, excludeNamespaces, leaseMs, intervalMs: durationMs(interval) },
      {
        ...parts,
        sink: SINK_KINDS.get(type)!.open(settings as never, context),
        log: { info: log('info'), warn: log('warn'), error: log('error') },
        random: () => 0.5,
      },
    );
    running.push(sink);
    return sink;
  });
  return { clock, sinks };
}

/** Lets time pass until it is so, a step for each few milliseconds that requests and files may take. */
async function passUntil(clock: TestClock, isSo: () => boolean, stepMs = 500): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > end)
      throw new Error(
        `it has not come to that; ${JSON.stringify(running.map(({ counts }) => counts))} of version ${table.version}; the log:\n${logged.slice(-20).join('\n')}`,
      );
    clock.advance(stepMs);
    await delay(2);
  }
}

/** All of so many rows. */
const hasDelivered = (sink: RunningSink, rowCount: number) => () => sink.counts.rows >= rowCount;

const FIELDS = {
  ...{ src_ip: 'ip', src_pod: 'pod', src_namespace: 'namespace', src_node: 'node', src_zone: 'zone' },
  ...{ dst_ip: 'peer_ip', dst_pod: 'peer_pod', dst_namespace: 'peer_namespace', dst_node: 'peer_node' },
  dst_zone: 'peer_zone',
};
const COUNTERS = ['tx_bytes', 'tx_packets', 'rx_bytes', 'rx_packets'];

/** Sums of the table's files, by what egressd tells apart, as DuckDB reads them. */
async function sumsOfTable(): Promise<Map<string, string>> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const keys = [...Object.values(FIELDS).map((name) => `coalesce(${name}, '')`)];
    keys.push(`CASE protocol WHEN 'tcp' THEN '6' WHEN 'udp' THEN '17' END`);
    const reader = await connection.runAndReadAll(
      `SELECT concat_ws(' ', ${keys.map((key) => `'"' || ${key} || '"'`).join(', ')}), concat_ws(' ', ${COUNTERS.map((name) => `sum(${name})::BIGINT`).join(', ')})
       FROM read_parquet('${join(table.folder, ROOT)}/*/*.parquet', hive_partitioning = false)
       WHERE local_kind = 'pod' AND traffic_class <> 'encapsulation' GROUP BY 1`,
    );
    return new Map(reader.getRows().map(([key, sums]) => [String(key), String(sums)]));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

type Item = Readonly<Record<string, string>>;

/** The items of what was taken, of each payload once: who gets one twice knows it by its key. */
async function itemsTaken(): Promise<Item[]> {
  const bodies = [...new Map(receiver.taken.map(({ headers, body }) => [headers['idempotency-key'], body])).values()];
  const question = { kind: 'egressd', bodies: bodies.map((body) => gunzipSync(body).toString('base64')) };
  return ((await askPython((found as { python: string }).python, DECODER, question)) as Item[][]).flat();
}

function sumsOfItems(items: readonly Item[]): Map<string, string> {
  const sums = new Map<string, bigint[]>();
  for (const item of items) {
    const key = [...Object.keys(FIELDS), 'proto'].map((name) => `"${item[name]}"`).join(' ');
    const known = sums.get(key) ?? COUNTERS.map(() => 0n);
    sums.set(
      key,
      known.map((sum, i) => sum + BigInt(item[COUNTERS[i]!]!)),
    );
  }
  return new Map([...sums].map(([key, counters]) => [key, counters.join(' ')]));
}

async function expectAllTaken(): Promise<void> {
  const expected = await sumsOfTable();
  expect(expected.size).toBeGreaterThan(3);
  expect(sumsOfItems(await itemsTaken())).toEqual(expected);
}

/** Payloads as they came first are in the order of the log. */
function expectInOrder(): void {
  const keys = [...new Set(receiver.taken.map(({ headers }) => String(headers['idempotency-key'])))];
  const places = keys.map((key) => /^demo\/(.+)\/(\d+)$/.exec(key)!.slice(1) as [string, string]);
  const slices = [...new Set(places.map(([slice]) => slice))];
  expect(places).toEqual(
    places.toSorted((a, b) => slices.indexOf(a[0]) - slices.indexOf(b[0]) || Number(a[1]) - Number(b[1])),
  );
  for (const { headers, body } of receiver.taken) {
    const first = receiver.taken.find((one) => one.headers['idempotency-key'] === headers['idempotency-key'])!;
    expect(gunzipSync(first.body).equals(gunzipSync(body)), 'a payload that comes again is the same').toBe(true);
  }
}

const SINK = (more = '') => `
version: 1
sinks:
  castai: { type: http, url: '${receiver.url}/metrics', interval: 1s, from: oldest${more} }
`;

describe.runIf('python' in found)('the HTTP sink', () => {
  test("sends what egressd sends, to the table's last byte; addresses, keys and headers as configured", async () => {
    await table.commitRows([...rows(8), ...OTHERS]);
    await table.commitRows(rows(8));
    const text = `
version: 1
sinks:
  castai:
    type: http
    url: '${receiver.url}/v1/kubernetes/clusters/\${CLUSTER_ID}/egressd-metrics'
    headers: { X-API-Key: '\${API_KEY}', X-Other: as it is }
    interval: 1s
    from: oldest
    batchItems: 3
`;
    const env = { CLUSTER_ID: 'c-1', API_KEY: 'key-of-shop', FLOWTOLL_SINKS_CASTAI_HEADERS_X_OTHER: 'overridden' };
    const { clock, sinks } = startReplica(text, { env });
    await passUntil(clock, hasDelivered(sinks[0]!, 16));
    for (const { headers, path } of receiver.taken) {
      expect(path).toBe('/v1/kubernetes/clusters/c-1/egressd-metrics');
      expect(headers).toMatchObject({
        ...{ 'content-type': 'application/protobuf', 'content-encoding': 'gzip', 'user-agent': 'flowtoll/1.2.3' },
        ...{ 'x-api-key': 'key-of-shop', 'x-other': 'overridden' },
      });
    }
    await expectAllTaken();
    expectInOrder();
    const items = await itemsTaken();
    expect(new Set(items.map(({ proto }) => proto))).toEqual(new Set(['6', '17']));
    expect(new Set(items.map(({ dst_dns_name: name }) => name))).toEqual(new Set(['']));
    expect(sinks[0]!.counts).toMatchObject({ items: items.length, rows: 16, deadItems: 0 });
    expect(logged.join('\n')).not.toContain('key-of-shop');
  });

  test('as JSON, uncompressed: the same items under their names, with their place in the log', async () => {
    await table.commitRows(rows(6));
    const { clock, sinks } = startReplica(SINK(', encoding: json, compression: none, excludeNamespaces: [ns-0]'));
    await passUntil(clock, hasDelivered(sinks[0]!, 4));
    const batches = receiver.taken.map(({ body }) => JSON.parse(body.toString()));
    const texts = (item: Item) =>
      Object.fromEntries(Object.entries(item).map(([name, value]) => [name, String(value)]));
    const expected = [...(await sumsOfTable())].filter(([key]) => !key.includes('"ns-0"'));
    expect(sumsOfItems(batches.flatMap(({ items }) => items.map(texts)))).toEqual(new Map(expected));
    expect(batches[0]).toMatchObject({ cluster: 'demo', id: receiver.taken[0]!.headers['idempotency-key'] });
    expect(receiver.taken[0]!.headers['content-type']).toBe('application/json');
  });

  test('slow, cut, refused for now: tried again until it is taken, in order, and nothing is missing', async () => {
    receiver.troubles = [500, 'slow', { status: 429, retryAfter: '120' }, 'cut', 'cut-after', 503, 404, 'cut-after'];
    await table.commitRows(rows());
    const { clock, sinks } = startReplica(SINK(', timeout: 200ms, batchItems: 2, headers: { X-API-Key: key-of-shop }'));
    for (let i = 0; i < 3; i++) await table.commitRows(rows());
    await passUntil(clock, hasDelivered(sinks[0]!, 16));
    await expectAllTaken();
    expectInOrder();
    expect(receiver.troubles).toEqual([]);
    expect(Object.fromEntries(sinks[0]!.counts.retries)).toEqual({
      ...{ 'status-500': 1, timeout: 1, 'status-429': 1, unreachable: 3, 'status-503': 1, 'status-404': 1 },
    });
    // What a receiver says back is not taken into the log with the secrets that it was sent.
    expect(logged.join('\n')).toContain('the answer was 500 Internal Server Error: not now: ***');
    expect(logged.join('\n')).not.toContain('key-of-shop');
  });

  test('that wants to be left alone is, for so long', async () => {
    receiver.troubles = [{ status: 429, retryAfter: '120' }];
    await table.commitRows(rows());
    const { clock, sinks } = startReplica(SINK());
    await passUntil(clock, () => receiver.requests === 1);
    const from = clock.now();
    await passUntil(clock, hasDelivered(sinks[0]!, 4));
    expect(clock.now() - from).toBeGreaterThanOrEqual(120_000);
    expect(receiver.requests).toBe(2);
  });

  test('an hour away: ingest goes on, another sink, too, and afterwards nothing is missing', async () => {
    const other = new Receiver();
    await other.open();
    try {
      const text = `${SINK()}  other: { type: http, url: '${other.url}', interval: 1s, from: oldest }\n`;
      const { clock, sinks } = startReplica(text);
      await receiver.close();
      await table.commitRows(rows());
      const from = clock.now();
      for (let minute = 0; minute < 60; minute++) {
        await table.commitRows(rows());
        const end = from + (minute + 1) * 60_000;
        await passUntil(clock, () => clock.now() >= end, 5000);
      }
      await passUntil(clock, hasDelivered(sinks[1]!, 61 * 4));
      expect(receiver.taken).toEqual([]);
      expect(sinks[0]!.counts.retries.get('unreachable')).toBeGreaterThan(50);
      // At most a line a minute.
      expect(logged.filter((line) => line.includes('a payload was not taken')).length).toBeLessThanOrEqual(61);
      await receiver.open();
      await passUntil(clock, hasDelivered(sinks[0]!, 61 * 4));
      await expectAllTaken();
      expectInOrder();
      expect(sinks[0]!.counts).toMatchObject({ rows: 61 * 4, missedVersions: 0 });
    } finally {
      await other.close();
    }
  });

  test('a payload that is refused for good is a dead letter, counted and said, and holds up no other', async () => {
    receiver.troubles = ['take', 400, 'take', 413];
    const { clock, sinks } = startReplica(SINK());
    for (let i = 0; i < 5; i++) {
      await table.commitRows(rows());
      await passUntil(clock, hasDelivered(sinks[0]!, 4 * (i + 1)));
    }
    expect(receiver.taken).toHaveLength(3);
    expect(sinks[0]!.counts).toMatchObject({ slices: 5, payloads: 3, deadItems: 8 });
    expect(Object.fromEntries(sinks[0]!.counts.deadLetters)).toEqual({ 'status-400': 1, 'status-413': 1 });
    expect(logged.filter((line) => line.startsWith('error') && line.includes('dead letter'))).toHaveLength(2);
  });

  test('a replica that dies in the middle of a slice: another takes over after the lease, and sends the slice again', async () => {
    await table.commitRows(rows(6));
    const first = startReplica(SINK(', batchItems: 2'), { holder: 'a' });
    // Taken, but its replica never hears of it: its time stands still from here on, as of one that is paused.
    receiver.troubles = ['take', 'cut-after'];
    await passUntil(first.clock, () => receiver.taken.length === 2);
    const second = startReplica(SINK(', batchItems: 2'), { holder: 'b' });
    await table.commitRows(rows(6));
    await passUntil(second.clock, hasDelivered(second.sinks[0]!, 12));
    expect(second.clock.now()).toBeGreaterThan(60_000);
    await expectAllTaken();
    expectInOrder();
    // It wakes. What it sends until it finds that others have gone on came before.
    const keys = () => new Set(receiver.taken.map(({ headers }) => headers['idempotency-key']));
    const taken = keys();
    await passUntil(first.clock, () => first.sinks[0]!.counts.leasesLost === 1);
    expect(keys()).toEqual(taken);
  });
});
