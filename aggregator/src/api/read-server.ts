// The gRPC server that readers connect to, where they have a port of their own: flows, health, reflection, and a gate before them. A
// component: inert until start(). Knows ports; who may read what, others say.
import { type RpcService, silenceGrpcLog } from '@flowtoll/proto';
import { Server, ServerCredentials, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { FlowtollError } from '../model/errors.ts';
import { backgroundTimers, type Schedule } from '../model/schedule.ts';
import { type ConnectionCounters, createConnectionGuard } from '../transport/connection-guard.ts';

export interface ReadServerConfig {
  /** Host to listen on: a name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** Port to listen on; 0 lets the system choose. */
  readonly port: number;
}

export interface ReadServerParts {
  readonly services: readonly RpcService[];
  /** What calls come through before they reach a service; whoever it lets in, it says by `proven`. Undefined: everybody may read. */
  readonly gate?: ServerInterceptor | undefined;
  /** Default: plain text. */
  readonly credentials?: ServerCredentials | undefined;
  /** Default: the machine's clock. */
  readonly schedule?: Schedule;
}

export interface ReadServer {
  readonly connections: ConnectionCounters;
  /** A reader who is known makes a call on this connection; "address:port". Others are closed after a minute, or before where there are many. */
  proven(peer: string): void;
  /** Listens; resolves to the real port. Rejects with LISTEN_FAILED. */
  start(): Promise<number>;
  /** Ends what is open, and closes. */
  stop(): Promise<void>;
}

/** The largest request, with a margin: FlowService refuses by its own limit, and says so. */
const REQUEST_BYTES_MAX = 2 << 20;
/** Calls of one connection. A reader has fewer in all. */
const STREAMS_PER_CONNECTION_MAX = 128;
/** A connection without calls is closed after so long. */
const IDLE_MS = 300_000;
/** Probes and load balancers, who prove nothing, have so long to ask for health. */
const CONNECTIONS = { connectionsMax: 4000, unprovenMax: 500, provenWithinMs: 60_000 };
/** How long answers that are on their way get at the end. */
const SHUTDOWN_MS = 2000;

export function createReadServer({ host, port }: ReadServerConfig, parts: ReadServerParts): ReadServer {
  silenceGrpcLog();
  const guard = createConnectionGuard(CONNECTIONS, { schedule: parts.schedule ?? backgroundTimers });
  const letIn: ServerInterceptor = (_, call) => {
    guard.proven(call.getPeer());
    return new ServerInterceptingCall(call);
  };
  const server = new Server({
    interceptors: [parts.gate ?? letIn],
    'grpc.max_receive_message_length': REQUEST_BYTES_MAX,
    'grpc.max_concurrent_streams': STREAMS_PER_CONNECTION_MAX,
    'grpc.max_connection_idle_ms': IDLE_MS,
    // A connection whose other end is gone is noticed within 40 s.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  for (const { definition, implementation } of parts.services) server.addService(definition, implementation);
  return {
    connections: guard.counters,
    proven: guard.proven,
    async start() {
      try {
        return await guard.listen(server, parts.credentials ?? ServerCredentials.createInsecure(), { host, port });
      } catch (error) {
        const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
        throw listenFailed(address, error instanceof Error ? error : new Error(String(error)));
      }
    },
    async stop() {
      await Promise.all([guard.stop(), shutdown(server)]);
    },
  };
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

function listenFailed(address: string, cause: Error): FlowtollError {
  const advice = /EADDRINUSE/.test(cause.message)
    ? 'another process listens there; stop it, or choose another port with --read-listen'
    : `${cause.message}; choose an address of this machine with --read-listen`;
  return new FlowtollError('LISTEN_FAILED', `cannot listen on ${address}: ${advice}`, { cause });
}
