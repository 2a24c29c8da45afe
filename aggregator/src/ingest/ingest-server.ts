// The gRPC server that agents connect to. Wires streams to what they share; a component: inert until start().
import { grpcService, IngestService, silenceGrpcLog } from '@flowtoll/proto';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { FlowtollError } from '../model/errors.ts';
import { EpochRegistry } from './epoch-registry.ts';
import { createIngestCounters, type IngestCounters } from './ingest-counters.ts';
import { type BatchSink, type IngestCall, IngestStream, type Logger, type StreamContext } from './ingest-stream.ts';

export interface IngestServerConfig {
  /** Host to listen on: a name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** Port to listen on; 0 lets the system choose. */
  readonly port: number;
  /** Largest message, in bytes. Default 16 MiB. */
  readonly messageBytesMax?: number;
  /** Bytes of batches that one agent may have under way. Default 4 MiB: some ten batches of a busy node. */
  readonly windowBytes?: number;
}

export interface IngestServerDependencies {
  readonly sink: BatchSink;
  readonly log: Logger;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Default: plain text. */
  readonly credentials?: ServerCredentials;
}

/** Takes the streams of agents. */
export interface IngestServer {
  readonly counters: IngestCounters;
  /** Listens; resolves to the real port. Rejects with LISTEN_FAILED. */
  start(): Promise<number>;
  /** Acknowledges everything of the epoch up to `sequence`: it is in the table. */
  acknowledge(epoch: string, sequence: number): void;
  /** Forgets what waited of an epoch: it cannot be committed, its agent must send it again. */
  discard(epoch: string): void;
  /** Asks all agents to send nothing for a while. */
  throttle(pauseMs: number): void;
  /** Takes no new connections and no new batches; streams stay open for their acknowledgements. */
  stopTaking(): void;
  /** Ends all streams and closes. */
  stop(): Promise<void>;
}

const MESSAGE_BYTES_MAX = 16 << 20;
const WINDOW_BYTES = 4 << 20;
/** grpc-js refuses by its own limit before it allocates, but counts nothing; ours lies below and counts. */
const GRPC_MARGIN_BYTES = 1 << 20;
/** How long streams get to take their last messages at the end. */
const SHUTDOWN_MS = 2000;

/** Makes the server; nothing happens before start(). */
export function createIngestServer(config: IngestServerConfig, dependencies: IngestServerDependencies): IngestServer {
  silenceGrpcLog();
  const messageBytesMax = config.messageBytesMax ?? MESSAGE_BYTES_MAX;
  const epochs = new EpochRegistry();
  const counters = createIngestCounters();
  const streams = new Set<IngestStream>();
  let taking = true;
  const sink: BatchSink = {
    ...dependencies.sink,
    admit: (take) => dependencies.sink.admit(() => taking && take()),
  };
  const context: StreamContext = {
    sink,
    epochs,
    counters,
    log: dependencies.log,
    now: dependencies.now,
    windowBytes: config.windowBytes ?? WINDOW_BYTES,
    messageBytesMax,
  };
  const server = new Server({
    'grpc.max_receive_message_length': messageBytesMax + GRPC_MARGIN_BYTES,
    // A connection whose other end is gone is noticed within 40 s.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  const definition = grpcService(IngestService);
  const ingest = { ...definition['ingest']!, requestDeserialize: (bytes: Buffer) => bytes };
  server.addService(
    { ...definition, ingest },
    {
      ingest: (call: IngestCall) => {
        const stream = new IngestStream(call, context);
        streams.add(stream);
        call.on('close', () => streams.delete(stream));
        if (taking) stream.start();
        else stream.stop();
      },
    },
  );

  return {
    counters,
    start: () => listen(server, config, dependencies.credentials ?? ServerCredentials.createInsecure()),
    acknowledge: (epoch, sequence) => epochs.commit(epoch, sequence),
    discard: (epoch) => epochs.discard(epoch),
    throttle: (pauseMs) => epochs.throttle(pauseMs),
    stopTaking: () => {
      taking = false;
    },
    async stop() {
      taking = false;
      for (const stream of streams) stream.stop();
      await shutdown(server);
    },
  };
}

function listen(server: Server, { host, port }: IngestServerConfig, credentials: ServerCredentials): Promise<number> {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, boundPort) => {
      if (error === null) resolve(boundPort);
      else reject(listenFailed(address, error));
    });
  });
}

function listenFailed(address: string, cause: Error): FlowtollError {
  const inUse = /EADDRINUSE/.test(cause.message);
  const advice = inUse
    ? 'another process listens there; stop it, or choose another port with --listen'
    : `${cause.message}; choose an address of this machine with --listen`;
  return new FlowtollError('LISTEN_FAILED', `cannot listen on ${address}: ${advice}`, { cause });
}

function shutdown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), SHUTDOWN_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
