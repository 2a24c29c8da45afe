// The receiving process of the wire benchmark: the aggregator's real ingest, which acknowledges every batch at once, and
// beside it the floor, which does nothing with a message but count it. Says its ports and its CPU time over IPC.
import { createIngestServer } from '@flowtoll/aggregator/ingest/ingest-server.ts';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';

/** What the parent hears. */
export type ServerMessage =
  | { readonly kind: 'ports'; readonly ingest: number; readonly floor: number }
  | { readonly kind: 'cpu'; readonly microseconds: number; readonly flows: number };

export const FLOOR_PATH = '/bench.Floor/Stream';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const bytes = (value: Buffer) => value;

async function startFloor(): Promise<number> {
  const server = new Server();
  server.addService(
    {
      stream: {
        path: FLOOR_PATH,
        requestStream: true,
        responseStream: true,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    {
      stream: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', () => call.write(Buffer.alloc(40)));
        call.on('end', () => call.end());
      },
    },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

async function main(): Promise<void> {
  const say = (message: ServerMessage) => process.send?.(message);
  const ingest = createIngestServer(
    { host: '127.0.0.1', port: 0 },
    {
      log: silent,
      now: Date.now,
      sink: {
        committedSequence: async () => 0,
        admit: (take) => take(),
        put: ({ epoch, sequence }) => setImmediate(() => ingest.acknowledge(epoch, sequence)),
      },
    },
  );
  const ports = { ingest: await ingest.start(), floor: await startFloor() };
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    say({ kind: 'cpu', microseconds: user + system, flows: ingest.counters.flows });
  });
  process.on('disconnect', () => process.exit(0));
  say({ kind: 'ports', ...ports });
}

if (process.send !== undefined) await main();
