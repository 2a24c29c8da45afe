// The gRPC server that agents connect to. Wires streams to what they share; a component: inert until start().
import { setDefaultHighWaterMark } from 'node:stream';
import { grpcService, IngestService, type RpcService, silenceGrpcLog } from '@flowtoll/proto';
import { Server, ServerCredentials, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { FlowtollError } from '../model/errors.ts';
import { backgroundTimers } from '../model/schedule.ts';
import {
  type ConnectionCounters,
  type ConnectionGuard,
  type ConnectionLimits,
  createConnectionGuard,
} from '../transport/connection-guard.ts';
import type { IngestCall } from './ingest-stream.ts';
import {
  createIngestStreams,
  type IngestDependencies,
  type IngestStreamsConfig,
  MESSAGE_BYTES_MAX,
  type StreamControl,
} from './ingest-streams.ts';
import { releaseReadChunks } from './release-read-chunks.ts';

export interface IngestServerConfig extends IngestStreamsConfig {
  /** Host to listen on: a name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** Port to listen on; 0 lets the system choose. */
  readonly port: number;
  readonly connections?: ConnectionLimits;
}

export interface IngestServerDependencies extends IngestDependencies {
  /** Default: plain text. */
  readonly credentials?: ServerCredentials;
  /** What is served beside, on the same port. Calls that are open at the end get a moment, then they are cut. */
  readonly services?: readonly RpcService[];
}

/** Takes the streams of agents. */
export interface IngestServer extends StreamControl {
  readonly connections: ConnectionCounters;
  /** Listens; resolves to the real port. Rejects with LISTEN_FAILED. */
  start(): Promise<number>;
  /** Ends all streams and closes. */
  stop(): Promise<void>;
}

/** grpc-js refuses by its own limit before it allocates, but counts nothing; ours lies below and counts. */
const GRPC_MARGIN_BYTES = 1 << 20;
/** Most calls of one connection at one time. */
const CALLS_PER_CONNECTION = 100;
/** A connection without a call is closed after this. */
const IDLE_MS = 60_000;
/** How long streams get to take their last messages at the end. */
const SHUTDOWN_MS = 2000;

/**
 * Messages that grpc-js reads ahead of a stream whose reading is paused. Its default of 16, times hundreds of agents that
 * have to wait for a store, is hundreds of megabytes. Only Node's default for all object streams of the process reaches it.
 */
const MESSAGES_READ_AHEAD = 0;

/** Makes the server; nothing happens before start(). */
export function createIngestServer(config: IngestServerConfig, dependencies: IngestServerDependencies): IngestServer {
  silenceGrpcLog();
  setDefaultHighWaterMark(true, MESSAGES_READ_AHEAD);
  const guard = createConnectionGuard(config.connections ?? {}, {
    schedule: dependencies.schedule ?? backgroundTimers,
  });
  const streams = createIngestStreams(config, { ...dependencies, onProven: guard.proven });
  releaseReadChunks();
  const server = new Server({
    'grpc.max_receive_message_length': (config.messageBytesMax ?? MESSAGE_BYTES_MAX) + GRPC_MARGIN_BYTES,
    // A connection whose other end is gone is noticed within 40 s.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    // An agent needs one, a watcher some.
    'grpc.max_concurrent_streams': CALLS_PER_CONNECTION,
    'grpc.max_connection_idle_ms': IDLE_MS,
    interceptors: [provenByOthers(guard, dependencies.authority !== undefined)],
  });
  const definition = grpcService(IngestService);
  const ingest = { ...definition['ingest']!, requestDeserialize: (bytes: Buffer) => bytes };
  server.addService({ ...definition, ingest }, { ingest: (call: IngestCall) => streams.serve(call) });
  for (const service of dependencies.services ?? []) server.addService(service.definition, service.implementation);

  return {
    counters: streams.counters,
    connections: guard.counters,
    get streams() {
      return streams.streams;
    },
    isKnown: streams.isKnown,
    acknowledge: streams.acknowledge,
    discard: streams.discard,
    throttle: streams.throttle,
    stopTaking: streams.stopTaking,
    start: () => listen(guard, server, config, dependencies.credentials ?? ServerCredentials.createInsecure()),
    async stop() {
      streams.end();
      await Promise.all([guard.stop(), shutdown(server)]);
    },
  };
}

/**
 * Calls of other services prove a connection, too, unless anybody may make them where agents have to prove themselves: they would
 * hold connections open for nothing.
 */
function provenByOthers(guard: ConnectionGuard, agentsProve: boolean): ServerInterceptor {
  return ({ path }, call) => {
    const service = path.split('/')[1] ?? '';
    if (service !== IngestService.typeName && !(agentsProve && service.startsWith('grpc.')))
      guard.proven(call.getPeer());
    return new ServerInterceptingCall(call);
  };
}

async function listen(
  guard: ConnectionGuard,
  server: Server,
  { host, port }: IngestServerConfig,
  credentials: ServerCredentials,
): Promise<number> {
  try {
    return await guard.listen(server, credentials, { host, port });
  } catch (error) {
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    throw listenFailed(address, error instanceof Error ? error : new Error(String(error)));
  }
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
