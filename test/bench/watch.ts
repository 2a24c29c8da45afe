// What watchers cost: rows a second that one gets, bytes a row, memory, and how long the thread of the ingest is kept from its
// work while several catch up. The floor is DuckDB reading the same columns of the same file.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { create } from '@bufbuild/protobuf';
import { DuckDBInstance } from '@duckdb/node-api';
import { createFlowService } from '@flowtoll/aggregator/api/flow-service.ts';
import { ROOT, WatchedTable } from '@flowtoll/aggregator/api/watched-table.testing.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { FLOW_COLUMNS } from '@flowtoll/aggregator/table/columns.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { FlowService, grpcMethod, WatchRequestSchema } from '@flowtoll/proto';
import { Client, type ClientReadableStream, credentials, Server, ServerCredentials } from '@grpc/grpc-js';

const ROWS = 250_000;
const SOME = ['namespace', 'workload', 'peer_workload', 'traffic_class', 'tx_bytes', 'tx_cost'];
const MIB = 1024 ** 2;

/** A row of a middling cluster: 2,000 pods that talk to 3,000. */
function rowOf(i: number): FlowRow {
  const pod = i % 2000;
  const peer = (i * 7) % 3000;
  return flowRow({
    ...{
      provider: 'aws',
      region: 'us-east-1',
      zone: `us-east-1${'abc'[pod % 3]}`,
      node: `ip-10-0-${pod % 100}-12.ec2.internal`,
    },
    ...{
      localKind: 'pod',
      namespace: `namespace-${pod % 40}`,
      workloadKind: 'Deployment',
      workload: `workload-${pod % 300}`,
    },
    ...{
      pod: `workload-${pod % 300}-5d8f7c9b4-${pod}`,
      labels: `{"team":"t${pod % 10}"}`,
      ip: `10.1.${pod % 250}.${pod % 200}`,
    },
    ...{ peerKind: 'pod', peerProvider: 'aws', peerRegion: 'us-east-1', peerZone: `us-east-1${'abc'[peer % 3]}` },
    ...{
      peerNamespace: `namespace-${peer % 40}`,
      peerWorkloadKind: 'Deployment',
      peerWorkload: `workload-${peer % 300}`,
    },
    ...{
      peerPod: `workload-${peer % 300}-5d8f7c9b4-${peer}`,
      peerIp: `10.1.${peer % 250}.${peer % 200}`,
      protocol: 'tcp',
    },
    ...{
      port: [80, 443, 5432][i % 3]!,
      initiator: 'local',
      resolution: 'exact',
      txBytes: i * 13,
      txPackets: i,
      rxBytes: i * 3,
    },
    ...{
      rxPackets: i,
      connections: 1,
      trafficClass: 'cross-zone',
      txCost: BigInt(i) * 1000n,
      rxCost: BigInt(i),
      processingCost: 0n,
    },
    ...{ priceBook: 'aws-2026-01-01', priceBasis: 'exact' },
  });
}

/** Reads the version to its end, undecoded; resolves to the bytes. */
async function readAll(client: Client, columns: readonly string[]): Promise<number> {
  const { path, requestSerialize } = grpcMethod(FlowService.method.watch);
  const request = create(WatchRequestSchema, { from: { case: 'version', value: 1n }, columns: [...columns] });
  const call: ClientReadableStream<Buffer> = client.makeServerStreamRequest(
    path,
    requestSerialize,
    (bytes) => bytes,
    request,
  );
  let bytes = 0;
  let messages = 0;
  for await (const message of call as AsyncIterable<Buffer>) {
    bytes += message.length;
    // The first and the last say only where the stream is, in less than a row takes.
    if (++messages > 1 && message.length < 100) break;
  }
  call.on('error', () => undefined);
  call.cancel();
  return bytes;
}

/** Seconds that DuckDB needs for the same values, without anybody who wants them. */
async function floor(file: string, columns: readonly string[]): Promise<number> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  const started = performance.now();
  const result = await connection.stream(
    `SELECT ${columns.join(', ')} FROM read_parquet('${file}', hive_partitioning = false)`,
  );
  while ((await result.fetchChunk())?.rowCount) {}
  const seconds = (performance.now() - started) / 1000;
  connection.closeSync();
  instance.closeSync();
  return seconds;
}

/** Prints the figures. */
export async function run(): Promise<void> {
  const table = await WatchedTable.open();
  const silent = { info: () => undefined, error: () => undefined };
  const service = createFlowService(
    { watchersMax: 64 },
    { store: table.store, root: ROOT, log: silent, now: () => performance.now() },
  );
  const server = new Server();
  server.addService(service.definition, service.implementation);
  try {
    await table.commitRows(Array.from({ length: ROWS }, (_, i) => rowOf(i)));
    const [path] = await table.files();
    const file = table.store.localPath(`${ROOT}/${path}`);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    await readAll(client, ['pod']);
    for (const columns of [FLOW_COLUMNS.map(({ name }) => name), SOME]) {
      const least = await floor(file, columns);
      const started = performance.now();
      const bytes = await readAll(client, columns);
      const seconds = (performance.now() - started) / 1000;
      console.log(
        `${columns.length} columns: ${Math.round(ROWS / seconds)} rows/s, ${(bytes / ROWS).toFixed(1)} bytes a row, ` +
          `${(seconds / least).toFixed(1)} × DuckDB alone`,
      );
    }
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    let most = before;
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const sampling = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 50);
    const started = performance.now();
    await Promise.all(Array.from({ length: 8 }, () => readAll(client, SOME)));
    const seconds = (performance.now() - started) / 1000;
    clearInterval(sampling);
    delay.disable();
    console.log(
      `8 watchers that catch up, ${SOME.length} columns: ${Math.round((8 * ROWS) / seconds)} rows/s together, ` +
        `resident memory +${Math.round((most - before) / MIB)} MiB, main thread held up ${(delay.percentile(99) / 1e6).toFixed(0)} ms (p99), ` +
        `${(delay.max / 1e6).toFixed(0)} ms (most), clients included`,
    );
    client.close();
  } finally {
    await service.stop();
    server.forceShutdown();
    await table.close();
  }
}
